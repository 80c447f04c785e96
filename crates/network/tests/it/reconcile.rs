//! After a crash of the engine. A crash is a `Network` that is dropped without a word.

use std::net::TcpListener;

use gantry_network::{HostPort, Live, NetworkError, Protocol};
use rustix::process::{Signal, kill_process};

use crate::host::{
    HOST, LOOPBACK, Namespace, OUTSIDE, accept, connect, container, eventually, id, interfaces,
    live, names_in, on_a_host, outside_ports, proxy_pid, request, run,
};

#[test]
fn the_living_are_adopted_and_the_dead_removed() {
    on_a_host(async |host| {
        let outside = host.outside();
        let network = host.network().await;
        let alive = container(&network, "alive").await;
        let dead = container(&network, "dead").await;
        network.create_namespace(&id("none")).await.unwrap();
        network.create_namespace(&id("gone")).await.unwrap();
        let server = Namespace::of(&alive).listen("0.0.0.0:80");
        let ports = network
            .publish(
                &id("alive"),
                &[request(Protocol::Tcp, None, HostPort::Exact(80), 80)],
            )
            .await
            .unwrap();
        network
            .publish(
                &id("dead"),
                &[request(Protocol::Tcp, None, HostPort::Exact(81), 80)],
            )
            .await
            .unwrap();
        let (shim, dead_shim) = (host.process(), host.process());
        network.follow(&id("alive"), shim).await.unwrap();
        network.follow(&id("dead"), dead_shim).await.unwrap();
        let proxy = proxy_pid(host, "alive");
        drop(network);

        let network = host.network().await;
        // A person's own interface on the bridge is not touched.
        run(
            "ip",
            &["link", "add", "mine", "master", "gantry0", "type", "veth"],
        );
        let known = [
            live("alive", &alive, &ports, shim),
            Live {
                id: id("none"),
                attachment: None,
            },
        ];
        let report = network.reconcile(&known).await;
        assert!(
            report.damaged.is_empty() && report.failures.0.is_empty(),
            "{report:?}"
        );

        let root = host.exec_root().join("gantry0");
        assert_eq!(names_in(&root.join("netns")), ["alive", "none"]);
        assert_eq!(names_in(&root.join("proxy")), ["alive"]);
        assert!(interfaces().contains(&alive.host_interface));
        assert!(!interfaces().contains(&dead.host_interface));
        assert!(interfaces().contains(&"mine".to_owned()));
        assert_eq!(
            proxy_pid(host, "alive"),
            proxy,
            "a living proxy was replaced"
        );
        TcpListener::bind("0.0.0.0:81").unwrap();

        connect((LOOPBACK, 80)).unwrap();
        accept(&server);
        outside.connect((HOST, 80)).unwrap();
        accept(&server);
        // Its address is known to be taken.
        assert_ne!(container(&network, "new").await.ip, alive.ip);
        network.disconnect(&id("alive")).await.unwrap();
        TcpListener::bind("0.0.0.0:80").unwrap();
    });
}

#[test]
fn a_killed_proxy_is_started_again() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = network
            .publish(&id("c"), &[request(Protocol::Tcp, None, HostPort::Any, 80)])
            .await
            .unwrap();
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        drop(network);
        let port = ports[0].host_port;
        kill_process(proxy_pid(host, "c"), Signal::KILL).unwrap();
        eventually("the port is free", || {
            TcpListener::bind((LOOPBACK, port)).is_ok()
        });

        let network = host.network().await;
        let report = network
            .reconcile(&[live("c", &endpoint, &ports, shim)])
            .await;
        assert!(
            report.damaged.is_empty() && report.failures.0.is_empty(),
            "{report:?}"
        );
        connect((LOOPBACK, port)).unwrap();
        accept(&server);
        // And it follows.
        drop(network);
        host.end_process(shim);
        eventually("the port is free", || {
            TcpListener::bind((LOOPBACK, port)).is_ok()
        });
    });
}

#[test]
fn a_port_lost_meanwhile_is_reported_and_the_rest_goes_on() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        let ports = network
            .publish(
                &id("c"),
                &[request(Protocol::Tcp, None, HostPort::Exact(80), 80)],
            )
            .await
            .unwrap();
        // Not followed: the proxy ends with the engine.
        drop(network);
        let mut taken = None;
        eventually("the port is free", || {
            taken = TcpListener::bind("0.0.0.0:80").ok();
            taken.is_some()
        });
        let shim = host.process();
        let network = host.network().await;
        let report = network
            .reconcile(&[live("c", &endpoint, &ports, shim)])
            .await;
        assert!(
            matches!(&report.damaged[..], [(_, NetworkError::PortTaken { .. })]),
            "{report:?}"
        );
        // The other's traffic is left alone.
        connect((endpoint.gateway, 80)).unwrap();
        accept(&taken.unwrap());
        assert_eq!(network.endpoints().len(), 1);
        network.disconnect(&id("c")).await.unwrap();
    });
}

#[test]
fn spoilt_leftovers_are_cleared_away() {
    on_a_host(async |host| {
        drop(host.network().await);
        let root = host.exec_root().join("gantry0");
        std::fs::write(root.join("proxy/x"), "not json").unwrap();
        std::fs::write(root.join("netns/x"), "").unwrap();
        std::fs::write(root.join("netns/not an id"), "").unwrap();
        let network = host.network().await;
        let report = network.reconcile(&[]).await;
        assert!(report.failures.0.is_empty(), "{report:?}");
        assert_eq!(names_in(&root.join("netns")), [""; 0]);
        assert_eq!(names_in(&root.join("proxy")), [""; 0]);
    });
}

#[test]
fn a_container_starts_over_leftovers_of_its_last_run() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "c").await;
        drop(network);
        let network = host.network().await;
        // Without reconciling: the half that a crash left is replaced.
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        connect((endpoint.ip, 80)).unwrap();
        accept(&server);
        assert_eq!(
            interfaces()
                .iter()
                .filter(|name| name.starts_with("veth"))
                .count(),
            1
        );
    });
}

#[test]
fn the_living_come_back_on_a_bridge_that_was_removed() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        let lost = container(&network, "lost").await;
        let shim = host.process();
        drop(network);
        run("ip", &["link", "delete", "gantry0"]);
        run("ip", &["link", "delete", &lost.host_interface]);
        let network = host.network().await;
        let known = [
            live("c", &endpoint, &[], shim),
            live("lost", &lost, &[], shim),
        ];
        let report = network.reconcile(&known).await;
        assert!(
            matches!(&report.damaged[..], [(_, NetworkError::NoInterface(_))]),
            "{report:?}"
        );
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        connect((endpoint.ip, 80)).unwrap();
        accept(&server);
    });
}

#[test]
fn a_record_left_by_a_dead_proxy_does_not_hinder() {
    on_a_host(async |host| {
        let network = host.network().await;
        container(&network, "c").await;
        std::fs::write(host.exec_root().join("gantry0/proxy/c"), "half a rec").unwrap();
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(80), 80)];
        network.publish(&id("c"), &ports).await.unwrap();
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        network.disconnect(&id("c")).await.unwrap();
        TcpListener::bind("0.0.0.0:80").unwrap();
    });
}

#[test]
fn a_port_is_free_for_others_when_its_container_ends_without_the_engine() {
    on_a_host(async |host| {
        let outside = host.outside();
        let network = host.network().await;
        container(&network, "c").await;
        network.publish(&id("c"), &outside_ports()).await.unwrap();
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        drop(network);
        let redirects = || run("nft", &["list", "table", "ip", "gantry-gantry0"]);
        assert!(redirects().contains("elements"), "{}", redirects());
        host.end_process(shim);
        let mut taken = None;
        eventually("the port is free", || {
            taken = TcpListener::bind("0.0.0.0:8080").ok();
            taken.is_some()
        });
        assert!(!redirects().contains("elements"), "{}", redirects());
        outside.connect((HOST, 8080)).unwrap();
        accept(&taken.unwrap());
    });
}

#[test]
fn a_udp_client_that_never_stops_finds_the_successor_of_one_that_ended_unseen() {
    on_a_host(async |host| {
        let outside = host.outside();
        let asker = outside.udp("0.0.0.0:0");
        let ports = [request(Protocol::Udp, None, HostPort::Exact(5353), 53)];
        let ask = |server: &std::net::UdpSocket| {
            asker.send_to(b"?", (HOST, 5353)).unwrap();
            let (_, from) = server.recv_from(&mut [0; 8]).unwrap();
            assert_eq!(from.ip(), OUTSIDE);
        };
        let network = host.network().await;
        let first = container(&network, "first").await;
        network.publish(&id("first"), &ports).await.unwrap();
        ask(&Namespace::of(&first).udp("0.0.0.0:53"));
        drop(network);

        let network = host.network().await;
        let report = network.reconcile(&[]).await;
        assert!(report.failures.0.is_empty(), "{report:?}");
        // Who has its address now is not its successor.
        assert_eq!(container(&network, "other").await.ip, first.ip);
        let second = container(&network, "second").await;
        network.publish(&id("second"), &ports).await.unwrap();
        ask(&Namespace::of(&second).udp("0.0.0.0:53"));
    });
}
