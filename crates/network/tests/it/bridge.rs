//! Opening a network: on a bare host, on one where it is already, beside another.

use gantry_network::{HostPort, Network, NetworkError, Protocol};

use crate::host::{
    HOST, Namespace, OUTSIDE, accept, connect, container, eventually_async, id, on_a_host, request,
    run,
};

#[test]
fn opening_is_repeatable_and_keeps_what_lives() {
    on_a_host(async |host| {
        let network = host.network().await;
        let endpoint = container(&network, "stays").await;
        let links = run("ip", &["-o", "address"]);
        drop(network);
        let again = host.network().await;
        assert_eq!(run("ip", &["-o", "address"]), links);
        assert_eq!(again.subnet().cidr(), "10.88.0.0/24");
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        connect((endpoint.ip, 80)).unwrap();
        accept(&server);
    });
}

#[test]
fn without_a_wanted_network_a_free_one_is_taken_and_kept() {
    on_a_host(async |host| {
        run("ip", &["link", "add", "docker0", "type", "bridge"]);
        run("ip", &["address", "add", "172.17.3.4/20", "dev", "docker0"]);
        run("ip", &["link", "set", "docker0", "up"]);
        let options = || {
            let mut options = host.options("gantry0", "10.88.0.1/24");
            options.bip = None;
            options
        };
        let network = Network::open(options()).await.unwrap();
        assert_eq!(network.subnet().to_string(), "172.18.0.1/16");
        drop(network);
        assert_eq!(
            Network::open(options()).await.unwrap().subnet().to_string(),
            "172.18.0.1/16"
        );
        // Told another, it takes that.
        let moved = Network::open(host.options("gantry0", "10.99.0.1/24"))
            .await
            .unwrap();
        assert_eq!(moved.host_gateway().to_string(), "10.99.0.1");
        let addresses = run("ip", &["-o", "-4", "address", "show", "dev", "gantry0"]);
        assert!(
            addresses.contains("10.99.0.1/24") && !addresses.contains("172.18."),
            "{addresses}"
        );
    });
}

#[test]
fn packets_are_as_large_as_the_way_out_allows() {
    on_a_host(async |host| {
        let _outside = host.outside();
        run("ip", &["link", "set", "wan0", "mtu", "1380"]);
        run("ip", &["route", "add", "default", "via", "198.51.100.2"]);
        let network = host.network().await;
        assert_eq!(network.mtu(), 1380);
        let endpoint = container(&network, "small").await;
        let link = Namespace::of(&endpoint).within(|| run("ip", &["link", "show", "eth0"]));
        assert!(link.contains("mtu 1380"), "{link}");
    });
}

#[test]
fn what_is_no_bridge_is_refused() {
    on_a_host(async |host| {
        run("ip", &["link", "add", "gantry0", "type", "veth"]);
        let refused = Network::open(host.options("gantry0", "10.88.0.1/24")).await;
        assert!(matches!(refused, Err(NetworkError::NotABridge(_))));
        let refused = Network::open(host.options("a b", "10.88.0.1/24")).await;
        assert!(matches!(refused, Err(NetworkError::InvalidBridge(_))));
    });
}

#[test]
fn two_networks_live_side_by_side() {
    on_a_host(async |host| {
        let one = Network::open(host.options("gantry0", "10.88.0.1/24"))
            .await
            .unwrap();
        let two = Network::open(host.options("gantry1", "10.89.0.1/24"))
            .await
            .unwrap();
        let here = container(&one, "same").await;
        let there = container(&two, "same").await;
        assert_ne!(here.host_interface, there.host_interface);

        let server = Namespace::of(&there).listen("0.0.0.0:80");
        connect((there.ip, 80)).unwrap();
        accept(&server);
        // Apart from each other: what is not published is not reached.
        let away = Namespace::of(&here).within(|| {
            std::net::TcpStream::connect_timeout(
                &(there.ip, 80).into(),
                std::time::Duration::from_millis(500),
            )
        });
        assert!(
            away.is_err(),
            "a container of one network reached into the other"
        );

        one.reconcile(&[]).await;
        connect((there.ip, 80)).unwrap();
        accept(&server);
    });
}

/// What dockerd does to the host's iptables, which are table `ip filter` to nftables.
fn drop_all_forwarding() {
    run(
        "nft",
        &["add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"],
    );
}

#[test]
fn a_firewall_that_drops_by_default_lets_containers_through() {
    on_a_host(async |host| {
        let outside = host.outside();
        let server = outside.listen("0.0.0.0:443");
        run("nft", &["add table ip filter"]);
        drop_all_forwarding();
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        Namespace::of(&endpoint).connect((OUTSIDE, 443)).unwrap();
        accept(&server);
        let rules = run("nft", &["list", "chain", "ip", "filter", "FORWARD"]);
        drop(network);
        host.network().await;
        let again = run("nft", &["list", "chain", "ip", "filter", "FORWARD"]);
        assert_eq!(again.lines().count(), rules.lines().count(), "{again}");
    });
}

#[test]
fn a_firewall_that_comes_later_lets_containers_through() {
    on_a_host(async |host| {
        let outside = host.outside();
        let server = outside.listen("0.0.0.0:443");
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        run("nft", &["add table ip filter"]);
        drop_all_forwarding();
        let exempt = || {
            run("nft", &["list", "chain", "ip", "filter", "FORWARD"])
                .matches("gantry0")
                .count()
                == 2
        };
        eventually_async("the bridge is exempt", exempt).await;
        Namespace::of(&endpoint).connect((OUTSIDE, 443)).unwrap();
        accept(&server);
        run("nft", &["flush", "chain", "ip", "filter", "FORWARD"]);
        eventually_async("the bridge is exempt again", exempt).await;
    });
}

#[test]
fn rules_of_a_network_that_is_gone_are_removed() {
    on_a_host(async |host| {
        let dead = Network::open(host.options("gantry1", "10.89.0.1/24"))
            .await
            .unwrap();
        let other = Network::open(host.options("gantry2", "10.90.0.1/24"))
            .await
            .unwrap();
        container(&dead, "c").await;
        drop(dead);
        run("ip", &["link", "delete", "gantry1"]);
        let _network = host.network().await;
        let tables = run("nft", &["list", "tables"]);
        assert!(!tables.contains("gantry-gantry1"), "{tables}");
        assert!(
            tables.contains("gantry-gantry0") && tables.contains("gantry-gantry2"),
            "{tables}"
        );
        drop(other);
    });
}

#[test]
fn a_firewall_that_starts_from_nothing_leaves_the_network_in_force() {
    on_a_host(async |host| {
        let outside = host.outside();
        let network = host.network().await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = [request(Protocol::Tcp, None, HostPort::Exact(8080), 80)];
        network.publish(&id("c"), &ports).await.unwrap();
        let rules = || run("nft", &["list", "table", "ip", "gantry-gantry0"]);
        let before = rules();
        run("nft", &["flush", "ruleset"]);
        // What is published meanwhile is in force with the rest.
        container(&network, "d").await;
        let more = [request(Protocol::Tcp, None, HostPort::Exact(8081), 81)];
        network.publish(&id("d"), &more).await.unwrap();
        network.disconnect(&id("d")).await.unwrap();
        assert_eq!(rules(), before);
        outside.connect((HOST, 8080)).unwrap();
        assert_eq!(accept(&server).1.ip(), std::net::IpAddr::V4(OUTSIDE));

        run("nft", &["flush", "ruleset"]);
        let is_back = || run("nft", &["list", "tables"]).contains("gantry-gantry0");
        eventually_async("the rules are back", is_back).await;
        assert_eq!(rules(), before);
    });
}

#[test]
fn switching_forwarding_on_makes_no_router_of_the_host() {
    on_a_host(async |host| {
        let (here, there) = (host.lan("lan1", "10.1.0"), host.lan("lan2", "10.2.0"));
        let server = there.listen("0.0.0.0:443");
        let address = ([10, 2, 0, 2], 443).into();
        let reached = || {
            let moment = std::time::Duration::from_millis(500);
            here.within(|| std::net::TcpStream::connect_timeout(&address, moment).is_ok())
        };
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        for _start in ["the first", "another"] {
            let network = host.network().await;
            assert!(!reached(), "a stranger's packet was forwarded");
            let endpoint = container(&network, "c").await;
            Namespace::of(&endpoint).connect(address).unwrap();
            accept(&server);
            network.disconnect(&id("c")).await.unwrap();
        }
        // Told to, it forwards for all.
        let mut options = host.options("gantry0", "10.88.0.1/24");
        options.forward_others = true;
        Network::open(options).await.unwrap();
        assert!(reached());
        // A host that is a router already stays one.
        host.network().await;
        assert!(reached());
    });
}
