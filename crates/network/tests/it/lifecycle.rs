//! Namespaces and connections: made, used, taken away.

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;

use gantry_network::{HostPort, MacAddress, NetworkError, Protocol, Want};

use crate::host::{
    Namespace, accept, container, id, interfaces, names_in, on_a_host, request, run,
};

#[test]
fn a_namespace_alone_has_only_loopback() {
    on_a_host(async |host| {
        let network = host.network().await;
        let path = network.create_namespace(&id("lonely")).await.unwrap();
        assert_eq!(path, network.namespace_path(&id("lonely")));
        let namespace = Namespace::at(&path);
        let links = namespace.within(|| run("ip", &["-o", "link"]));
        assert_eq!(links.lines().count(), 1, "{links}");
        let listener = namespace.listen("127.0.0.1:80");
        let mut client = namespace.connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"hello").unwrap();
        let six = namespace.listen("[::1]:80");
        namespace.connect(six.local_addr().unwrap()).unwrap();
        network.disconnect(&id("lonely")).await.unwrap();
        assert!(!path.exists());
    });
}

#[test]
fn containers_reach_each_other_and_the_host() {
    on_a_host(async |host| {
        let network = host.network().await;
        let one = container(&network, "one").await;
        let two = container(&network, "two").await;
        assert_eq!(
            (one.ip, two.ip),
            (Ipv4Addr::new(10, 88, 0, 2), Ipv4Addr::new(10, 88, 0, 3))
        );
        assert_eq!(one.mac.to_string(), "02:42:0a:58:00:02");

        let server = Namespace::of(&one).listen("0.0.0.0:80");
        let mut client = Namespace::of(&two).connect((one.ip, 80)).unwrap();
        let (mut served, from) = accept(&server);
        assert_eq!(from.ip(), two.ip);
        client.write_all(b"hello").unwrap();
        let mut bytes = [0; 5];
        served.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");

        let host_server = std::net::TcpListener::bind((one.gateway, 8080)).unwrap();
        Namespace::of(&two).connect((one.gateway, 8080)).unwrap();
        assert_eq!(accept(&host_server).1.ip(), two.ip);

        let figures = network.figures(&id("one")).await.unwrap().unwrap();
        assert!(
            figures.rx_bytes > 0 && figures.tx_packets > 0,
            "{figures:?}"
        );
        assert_eq!(network.figures(&id("three")).await.unwrap(), None);
    });
}

#[test]
fn containers_have_no_ipv6_on_the_bridge() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "four").await;
        let addresses = Namespace::of(&endpoint).within(|| run("ip", &["-6", "-o", "address"]));
        assert!(
            addresses.contains("::1/128") && !addresses.contains("eth0"),
            "{addresses}"
        );
        let routes = Namespace::of(&endpoint).within(|| run("ip", &["route"]));
        assert!(
            routes.contains("default via 10.88.0.1 dev eth0"),
            "{routes}"
        );
        assert!(
            !run(
                "ip",
                &[
                    "-6",
                    "-o",
                    "address",
                    "show",
                    "dev",
                    &endpoint.host_interface
                ]
            )
            .contains("inet6")
        );
    });
}

#[test]
fn wanted_addresses_are_given() {
    on_a_host(async |host| {
        let network = host.network().await;
        let mac: MacAddress = "02:00:00:00:00:07".parse().unwrap();
        let want = Want {
            ip: Some(Ipv4Addr::new(10, 88, 0, 77)),
            mac: Some(mac),
        };
        for name in ["a", "b"] {
            network.create_namespace(&id(name)).await.unwrap();
        }
        let endpoint = network.connect(&id("a"), want.clone()).await.unwrap();
        assert_eq!(
            (endpoint.ip, endpoint.mac),
            (Ipv4Addr::new(10, 88, 0, 77), mac)
        );
        let link = Namespace::of(&endpoint).within(|| run("ip", &["link", "show", "eth0"]));
        assert!(link.contains("02:00:00:00:00:07"), "{link}");
        assert!(matches!(
            network.connect(&id("b"), want.clone()).await,
            Err(NetworkError::AddressTaken(_))
        ));
        network.disconnect(&id("a")).await.unwrap();
        network.connect(&id("b"), want).await.unwrap();
    });
}

#[test]
fn disconnecting_leaves_nothing() {
    on_a_host(async |host| {
        let network = host.network().await;
        let (links, rules) = (interfaces(), run("nft", &["list", "ruleset"]));
        for round in 0..3 {
            let name = format!("c{round}");
            container(&network, &name).await;
            let ports = [
                request(Protocol::Tcp, None, HostPort::Exact(80), 80),
                request(Protocol::Udp, None, HostPort::Any, 53),
            ];
            assert_eq!(network.publish(&id(&name), &ports).await.unwrap().len(), 4);
            assert_ne!(run("nft", &["list", "ruleset"]), rules);
            network.disconnect(&id(&name)).await.unwrap();
        }
        network.settle().await;
        assert_eq!(interfaces(), links);
        assert_eq!(run("nft", &["list", "ruleset"]), rules);
        let root = host.exec_root().join("gantry0");
        assert_eq!(names_in(&root.join("netns")), [""; 0]);
        assert_eq!(names_in(&root.join("proxy")), [""; 0]);
        assert!(network.endpoints().is_empty());
        // Once more, and of what never was.
        network.disconnect(&id("c0")).await.unwrap();
        network.disconnect(&id("never")).await.unwrap();
    });
}

#[test]
fn a_failed_connection_gives_its_address_back() {
    on_a_host(async |host| {
        let mut options = host.options("gantry0", "10.88.0.1/30");
        options.mtu = Some(1400);
        let network = gantry_network::Network::open(options).await.unwrap();
        // No namespace.
        assert!(network.connect(&id("x"), Want::default()).await.is_err());
        let endpoint = container(&network, "x").await;
        assert_eq!(endpoint.ip, Ipv4Addr::new(10, 88, 0, 2));
        let link = Namespace::of(&endpoint).within(|| run("ip", &["link", "show", "eth0"]));
        assert!(link.contains("mtu 1400"), "{link}");
        network.create_namespace(&id("y")).await.unwrap();
        let refused = network
            .connect(&id("y"), Want::default())
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "no available IPv4 addresses on this network's address pools: gantry0 (10.88.0.0/30)"
        );
        assert!(matches!(
            network.connect(&id("x"), Want::default()).await,
            Err(NetworkError::AlreadyConnected(_))
        ));
    });
}

#[test]
fn an_interface_whose_namespace_is_held_is_removed_all_the_same() {
    on_a_host(async |host| {
        let network = host.network().await;
        let links = interfaces();
        let endpoint = container(&network, "held").await;
        let holder = Namespace::of(&endpoint);
        network.disconnect(&id("held")).await.unwrap();
        network.settle().await;
        assert_eq!(interfaces(), links);
        let inside = holder.within(|| run("ip", &["-o", "link"]));
        assert_eq!(inside.lines().count(), 1, "{inside}");
        // And the same container may come back at once.
        network.disconnect(&id("held")).await.unwrap();
        container(&network, "held").await;
    });
}

#[test]
fn many_come_and_go_at_once() {
    on_a_host(async |host| {
        let network = host.network().await;
        let (links, rules) = (interfaces(), run("nft", &["list", "ruleset"]));
        let come_and_go = async |name: String| {
            let endpoint = container(&network, &name).await;
            let ports = [request(Protocol::Tcp, None, HostPort::Any, 80)];
            let held = network.publish(&id(&name), &ports).await.unwrap();
            (endpoint.ip, held[0].host_port)
        };
        let names: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
        let came = futures::future::join_all(names.iter().cloned().map(come_and_go)).await;
        let addresses: std::collections::HashSet<_> = came.iter().map(|(ip, _)| ip).collect();
        let ports: std::collections::HashSet<_> = came.iter().map(|(_, port)| port).collect();
        assert_eq!((addresses.len(), ports.len()), (20, 20));
        let left = names
            .iter()
            .map(|name| async { network.disconnect(&id(name)).await.unwrap() });
        futures::future::join_all(left).await;
        network.settle().await;
        assert_eq!(interfaces(), links);
        assert_eq!(run("nft", &["list", "ruleset"]), rules);
    });
}
