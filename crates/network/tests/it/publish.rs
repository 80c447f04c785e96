//! Published ports, with real sockets on both sides.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, UdpSocket};

use gantry_network::{HostPort, Network, NetworkError, PortBinding, Protocol};

use crate::host::{
    LOOPBACK, Namespace, accept, connect, container, eventually, id, on_a_host, request, run, udp,
};

#[test]
fn tcp_is_reached_by_ipv4_and_ipv6() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "web").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        let held = network.publish(&id("web"), &ports).await.unwrap();
        let on = |ip: IpAddr| PortBinding {
            container_port: 80,
            protocol: Protocol::Tcp,
            host_ip: ip,
            host_port: 8080,
        };
        assert_eq!(
            held,
            [
                on(Ipv4Addr::UNSPECIFIED.into()),
                on(Ipv6Addr::UNSPECIFIED.into())
            ]
        );

        for ip in [
            LOOPBACK,
            "127.1.2.3".parse().unwrap(),
            Ipv6Addr::LOCALHOST.into(),
            endpoint.gateway.into(),
        ] {
            let mut client = connect((ip, 8080)).unwrap();
            let (mut served, _) = accept(&server);
            client.write_all(b"question").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            // Half-closed: all of the question, then the answer, still.
            let mut text = String::new();
            served.read_to_string(&mut text).unwrap();
            assert_eq!(text, "question");
            served.write_all(b"answer").unwrap();
            drop(served);
            text.clear();
            client.read_to_string(&mut text).unwrap();
            assert_eq!(text, "answer", "by {ip}");
        }
    });
}

#[test]
fn udp_is_reached_by_ipv4_and_ipv6() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "dns").await;
        let server = Namespace::of(&endpoint).udp("0.0.0.0:53");
        let ports = [request(Protocol::Udp, None, HostPort::Exact(5353), 53)];
        network.publish(&id("dns"), &ports).await.unwrap();
        for ip in ["127.0.0.1", "127.9.9.9", "::1", "10.88.0.1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let client = udp(if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" });
            // Connected: it takes answers from that address only.
            client.connect((ip, 5353)).unwrap();
            for question in ["one", "two"] {
                client.send(question.as_bytes()).unwrap();
                let mut bytes = [0; 16];
                let (length, from) = server.recv_from(&mut bytes).unwrap();
                assert_eq!(&bytes[..length], question.as_bytes());
                server.send_to(b"answer", from).unwrap();
                let length = client.recv(&mut bytes).unwrap();
                assert_eq!(&bytes[..length], b"answer", "by {ip}");
            }
        }
    });
}

#[test]
fn large_transfers_arrive_whole_both_ways() {
    on_a_host(async |host| {
        const SIZE: usize = 16 * 1024 * 1024;
        let network = host.network().await;
        let endpoint = container(&network, "bulk").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = [request(Protocol::Tcp, Some("127.0.0.1"), HostPort::Any, 80)];
        let port = network.publish(&id("bulk"), &ports).await.unwrap()[0].host_port;
        let pattern = |n: usize| (n % 251) as u8;
        let echo = std::thread::spawn(move || {
            let (mut served, _) = accept(&server);
            let mut bytes = Vec::new();
            // All of it first: the proxy meets senders that are faster than receivers.
            served.read_to_end(&mut bytes).unwrap();
            served.write_all(&bytes).unwrap();
        });
        let mut client = connect((LOOPBACK, port)).unwrap();
        client
            .write_all(&(0..SIZE).map(pattern).collect::<Vec<_>>())
            .unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        echo.join().unwrap();
        assert_eq!(bytes.len(), SIZE);
        assert!(
            bytes
                .iter()
                .enumerate()
                .all(|(n, byte)| *byte == pattern(n))
        );
    });
}

#[test]
fn a_taken_port_is_an_error_that_leaves_nothing() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "late").await;
        let before = run("nft", &["list", "ruleset"]);
        let taken: [(Protocol, Box<dyn std::any::Any>); 3] = [
            (
                Protocol::Tcp,
                Box::new(TcpListener::bind("0.0.0.0:80").unwrap()),
            ),
            (
                Protocol::Tcp,
                Box::new(TcpListener::bind("[::1]:81").unwrap()),
            ),
            (
                Protocol::Udp,
                Box::new(UdpSocket::bind("127.0.0.1:82").unwrap()),
            ),
        ];
        let words = [
            "Bind for 0.0.0.0:80 failed: port is already allocated",
            "Bind for :::81 failed: port is already allocated",
            "Bind for 0.0.0.0:82 failed: port is already allocated",
        ];
        for (port, ((protocol, _), words)) in (80..).zip(taken.iter().zip(words)) {
            let ports = [
                request(*protocol, None, HostPort::Exact(8080), 80),
                request(*protocol, None, HostPort::Exact(port), 80),
            ];
            let error = network.publish(&id("late"), &ports).await.unwrap_err();
            assert!(matches!(error, NetworkError::PortTaken { .. }), "{error:?}");
            assert_eq!(error.to_string(), words);
        }
        // What was held before the failure is free again.
        TcpListener::bind("0.0.0.0:8080").unwrap();
        UdpSocket::bind("[::]:8080").unwrap();
        assert_eq!(run("nft", &["list", "ruleset"]), before);
        drop(taken);
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(80), 80)];
        network.publish(&id("late"), &ports).await.unwrap();
    });
}

#[test]
fn one_containers_port_is_not_anothers() {
    on_a_host(async |host| {
        let one = host.network().await;
        let two = Network::open(host.options("gantry1", "10.89.0.1/24"))
            .await
            .unwrap();
        container(&one, "a").await;
        container(&two, "b").await;
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(80), 80)];
        one.publish(&id("a"), &ports).await.unwrap();
        assert!(matches!(
            two.publish(&id("b"), &ports).await,
            Err(NetworkError::PortTaken { .. })
        ));
        one.disconnect(&id("a")).await.unwrap();
        two.publish(&id("b"), &ports).await.unwrap();
    });
}

#[test]
fn ports_left_to_chance_and_from_ranges() {
    on_a_host(async |host| {
        run(
            "sysctl",
            &["-qw", "net.ipv4.ip_local_port_range=40000 40100"],
        );
        let network = host.network().await;
        container(&network, "c").await;
        let _taken = TcpListener::bind("[::1]:9000").unwrap();
        let ports = [
            request(Protocol::Tcp, None, HostPort::Any, 80),
            request(Protocol::Udp, None, HostPort::Any, 80),
            request(Protocol::Tcp, None, HostPort::Range(9000, 9001), 81),
            request(
                Protocol::Tcp,
                Some("127.0.0.1"),
                HostPort::Range(9000, 9001),
                82,
            ),
        ];
        let held = network.publish(&id("c"), &ports).await.unwrap();
        let of = |protocol, port| {
            held.iter()
                .filter(move |held| (held.protocol, held.container_port) == (protocol, port))
                .collect::<Vec<_>>()
        };
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let [four, six] = of(protocol, 80)[..] else {
                panic!("{held:?}")
            };
            assert_eq!(four.host_port, six.host_port);
            assert!((40000..=40100).contains(&four.host_port));
        }
        assert!(
            of(Protocol::Tcp, 81)
                .iter()
                .all(|held| held.host_port == 9001)
        );
        assert_eq!(of(Protocol::Tcp, 82)[0].host_port, 9000);

        container(&network, "d").await;
        let ports = [request(
            Protocol::Tcp,
            None,
            HostPort::Range(9000, 9001),
            80,
        )];
        assert!(matches!(
            network.publish(&id("d"), &ports).await,
            Err(NetworkError::PortsTaken {
                first: 9000,
                last: 9001,
                ..
            })
        ));
    });
}

#[test]
fn an_address_the_host_has_not_is_refused() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "c").await;
        let ports = [request(
            Protocol::Tcp,
            Some("203.0.113.9"),
            HostPort::Exact(80),
            80,
        )];
        let error = network.publish(&id("c"), &ports).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("failed to bind host port 203.0.113.9:80/tcp: "),
            "{error}"
        );
    });
}

#[test]
fn a_host_without_ipv6_publishes_on_ipv4() {
    on_a_host(async |host| {
        run("sysctl", &["-qw", "net.ipv6.conf.all.disable_ipv6=1"]);
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(80), 80)];
        network.publish(&id("c"), &ports).await.unwrap();
        connect((LOOPBACK, 80)).unwrap();
        accept(&server);
    });
}

#[test]
fn containers_reach_published_ports_through_the_host() {
    on_a_host(async |host| {
        let one = host.network().await;
        let two = Network::open(host.options("gantry1", "10.89.0.1/24"))
            .await
            .unwrap();
        let web = container(&one, "web").await;
        let sister = container(&one, "sister").await;
        let stranger = container(&two, "stranger").await;
        let server = Namespace::of(&web).listen("0.0.0.0:80");
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        one.publish(&id("web"), &ports).await.unwrap();
        // Itself among them, by its own gateway.
        for caller in [&web, &sister, &stranger] {
            Namespace::of(caller)
                .connect((caller.gateway, 8080))
                .unwrap();
            accept(&server);
        }
        Namespace::of(&stranger)
            .connect((web.gateway, 8080))
            .unwrap();
        accept(&server);
    });
}

#[test]
fn a_container_that_does_not_listen_yet_resets_the_connection() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "slow").await;
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        network.publish(&id("slow"), &ports).await.unwrap();
        // The reset may be there before the connection is known to be.
        let read =
            connect((LOOPBACK, 8080)).and_then(|mut client| client.read_to_end(&mut Vec::new()));
        let error = read.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        connect((LOOPBACK, 8080)).unwrap();
        accept(&server);
    });
}

#[test]
fn ports_end_with_the_followed_process() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "c").await;
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        network.publish(&id("c"), &ports).await.unwrap();
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        // The engine goes; the port stays.
        drop(network);
        let address = SocketAddr::new(LOOPBACK, 8080);
        assert!(TcpListener::bind(address).is_err());
        host.end_process(shim);
        eventually("the port is free", || TcpListener::bind(address).is_ok());
    });
}

#[test]
fn ports_end_with_an_engine_that_never_started_the_container() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "c").await;
        let ports = [request(Protocol::Udp, None, HostPort::Exact(8080), 80)];
        network.publish(&id("c"), &ports).await.unwrap();
        drop(network);
        eventually("the port is free", || {
            UdpSocket::bind("0.0.0.0:8080").is_ok()
        });
    });
}

#[test]
fn a_hundred_ports_are_one_small_process() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "many").await;
        let servers: Vec<_> = (0..100)
            .map(|n| Namespace::of(&endpoint).listen(&format!("0.0.0.0:{}", 7000 + n)))
            .collect();
        let ports: Vec<_> = (0..100)
            .map(|n| request(Protocol::Tcp, None, HostPort::Exact(7000 + n), 7000 + n))
            .collect();
        assert_eq!(
            network.publish(&id("many"), &ports).await.unwrap().len(),
            200
        );
        let held: Vec<_> = servers
            .iter()
            .flat_map(|server| {
                let port = server.local_addr().unwrap().port();
                (0..4).map(move |_| {
                    let client = connect((LOOPBACK, port)).unwrap();
                    (client, accept(server))
                })
            })
            .collect();
        assert_eq!(held.len(), 400);
        let record = host.exec_root().join("gantry0/proxy/many");
        let record = std::fs::read_to_string(record).unwrap();
        let pid = record
            .split("\"pid\":")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("Threads:\t1\n"), "{status}");
        assert!(status.contains("CapEff:\t0000000000000000\n"), "{status}");
    });
}

#[test]
fn a_container_that_ended_at_once_lets_its_ports_go() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "c").await;
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        network.publish(&id("c"), &ports).await.unwrap();
        let shim = host.process();
        host.end_process(shim);
        network.follow(&id("c"), shim).await.unwrap();
        TcpListener::bind("0.0.0.0:8080").unwrap();
        network.disconnect(&id("c")).await.unwrap();
    });
}

#[test]
fn a_proxy_whose_record_was_removed_ends_all_the_same() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "c").await;
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        network.publish(&id("c"), &ports).await.unwrap();
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        std::fs::remove_file(host.exec_root().join("gantry0/proxy/c")).unwrap();
        network.disconnect(&id("c")).await.unwrap();
        TcpListener::bind("0.0.0.0:8080").unwrap();
    });
}
