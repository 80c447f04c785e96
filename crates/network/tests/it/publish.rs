//! Published ports, with real sockets on both sides.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown};

use gantry_network::{HostPort, Network, PortBinding, Protocol};
use rustix::process::{Signal, kill_process};

use crate::host::{
    LOOPBACK, Namespace, accept, connect, container, eventually, id, on_a_host, proxy_pid, request,
    udp,
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
fn an_answer_is_brought_though_nobody_reads_the_question_any_more() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "strict").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        network.publish(&id("strict"), &ports).await.unwrap();
        let mut client = connect((LOOPBACK, 8080)).unwrap();
        client.write_all(b"a long question").unwrap();
        let (mut served, _) = accept(&server);
        served.read_exact(&mut [0; 1]).unwrap();
        // Both happen before the proxy looks: the answer with its reset, and more of the question.
        let proxy = proxy_pid(host, "strict");
        kill_process(proxy, Signal::STOP).unwrap();
        served.write_all(b"too long").unwrap();
        drop(served);
        client.write_all(b", and more of it").unwrap();
        kill_process(proxy, Signal::CONT).unwrap();
        let mut answer = [0; 8];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"too long");
        // It is over for a client that goes on as well.
        eventually("the client is told", || client.write_all(b"!").is_err());
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
        let pid = proxy_pid(host, "many").as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("Threads:\t1\n"), "{status}");
        assert!(status.contains("CapEff:\t0000000000000000\n"), "{status}");
    });
}
