//! Which ports of the host are held, and until when.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use gantry_network::{HostPort, Network, NetworkError, Protocol};

use crate::host::{
    Host, LOOPBACK, Namespace, accept, connect, container, eventually, id, on_a_host, request, run,
};

/// A network with container "c", which publishes a port.
async fn publishing(host: &Host, protocol: Protocol, port: u16) -> Network {
    let network = host.network().await;
    container(&network, "c").await;
    let ports = [request(protocol, None, HostPort::Exact(port), 80)];
    network.publish(&id("c"), &ports).await.unwrap();
    network
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
fn ports_end_with_the_followed_process() {
    on_a_host(async |host| {
        let network = publishing(host, Protocol::Tcp, 8080).await;
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
        let network = publishing(host, Protocol::Udp, 8080).await;
        drop(network);
        eventually("the port is free", || {
            UdpSocket::bind("0.0.0.0:8080").is_ok()
        });
    });
}

#[test]
fn a_container_that_ended_at_once_lets_its_ports_go() {
    on_a_host(async |host| {
        let network = publishing(host, Protocol::Tcp, 8080).await;
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
        let network = publishing(host, Protocol::Tcp, 8080).await;
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        std::fs::remove_file(host.exec_root().join("gantry0/proxy/c")).unwrap();
        network.disconnect(&id("c")).await.unwrap();
        TcpListener::bind("0.0.0.0:8080").unwrap();
    });
}
