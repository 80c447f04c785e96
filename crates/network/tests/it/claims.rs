//! Ports of the host in whose machine the engine runs. The test's own host is the machine; [`Outer`] is the host.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_network::{HostPort, Network, NetworkError, PortBinding, Protocol};
use rustix::process::{Signal, kill_process};

use crate::agent::Agent;
use crate::host::{
    Host, LOOPBACK, Namespace, accept, connect, container, eventually, id, live, on_a_host,
    proxy_pid, request, run, udp,
};

/// The machine's host.
struct Outer {
    namespace: Arc<Namespace>,
    agent: Option<Agent>,
    socket: PathBuf,
}

impl Outer {
    fn of(host: &Host) -> Self {
        let namespace = Arc::new(host.outside());
        namespace.within(|| run("ip", &["link", "set", "lo", "up"]));
        let socket = host.exec_root().join("host.sock");
        let agent = Some(Agent::start(&socket, &namespace));
        Self {
            namespace,
            agent,
            socket,
        }
    }

    async fn network(&self, host: &Host) -> Network {
        let mut options = host.options("gantry0", "10.88.0.1/24");
        options.host_agent = Some(self.socket.clone());
        Network::open(options).await.unwrap()
    }

    fn is_free(&self, address: &str) -> bool {
        let address: SocketAddr = address.parse().unwrap();
        self.namespace.within(|| TcpListener::bind(address).is_ok())
    }

    /// Calls a port of the host, which is to be the container's.
    fn reaches(&self, address: (IpAddr, u16), server: &TcpListener) {
        let mut client = self.namespace.connect(address).unwrap();
        let (mut served, _) = accept(server);
        client.write_all(b"question").unwrap();
        let mut bytes = [0; 8];
        served.read_exact(&mut bytes).unwrap();
        served.write_all(b"answer").unwrap();
        drop(served);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!((&bytes, text.as_str()), (b"question", "answer"));
    }
}

fn tcp(port: u16) -> [gantry_network::PortRequest; 1] {
    [request(Protocol::Tcp, None, HostPort::Exact(port), 80)]
}

#[test]
fn a_port_is_the_hosts_and_only_the_hosts() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let before = run("nft", &["list", "ruleset"]);
        let held = network.publish(&id("c"), &tcp(8080)).await.unwrap();
        let on = |ip: &str| PortBinding {
            container_port: 80,
            protocol: Protocol::Tcp,
            host_ip: ip.parse().unwrap(),
            host_port: 8080,
        };
        assert_eq!(held, [on("0.0.0.0"), on("::")]);
        for ip in ["127.0.0.1", "::1", "198.51.100.2"] {
            outer.reaches((ip.parse().unwrap(), 8080), &server);
        }
        // The machine's own ports are as they were, but for its containers, who call their gateway.
        assert_eq!(run("nft", &["list", "ruleset"]), before);
        connect((LOOPBACK, 8080)).unwrap_err();
        let sister = container(&network, "sister").await;
        for caller in [&endpoint, &sister] {
            Namespace::of(caller)
                .connect((caller.gateway, 8080))
                .unwrap();
            accept(&server);
        }
        network.disconnect(&id("c")).await.unwrap();
        eventually("the port is free", || outer.is_free("0.0.0.0:8080"));
        TcpListener::bind((endpoint.gateway, 8080)).unwrap();
    });
}

#[test]
fn datagrams_go_in_and_out() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        let endpoint = container(&network, "dns").await;
        let server = Namespace::of(&endpoint).udp("0.0.0.0:53");
        let ports = [request(
            Protocol::Udp,
            Some("127.0.0.1"),
            HostPort::Exact(5353),
            53,
        )];
        network.publish(&id("dns"), &ports).await.unwrap();
        let clients = [(); 2].map(|()| outer.namespace.within(|| udp("127.0.0.1:0")));
        let mut bytes = [0; 16];
        for (client, question) in clients.iter().zip(["one", "two"]) {
            client
                .send_to(question.as_bytes(), ("127.0.0.1", 5353))
                .unwrap();
            let (length, from) = server.recv_from(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], question.as_bytes());
            server.send_to(question.as_bytes(), from).unwrap();
            let length = client.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], question.as_bytes());
        }
    });
}

#[test]
fn a_port_taken_on_the_host_is_an_error_that_leaves_nothing() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        let endpoint = container(&network, "late").await;
        let taken = outer.namespace.listen("[::1]:81");
        let also = outer
            .namespace
            .within(|| UdpSocket::bind("127.0.0.1:82").unwrap());
        let words = [
            "Bind for :::81 failed: port is already allocated",
            "Bind for 0.0.0.0:82 failed: port is already allocated",
        ];
        for (wanted, words) in [(Protocol::Tcp, 81), (Protocol::Udp, 82)].iter().zip(words) {
            let ports = [
                request(Protocol::Tcp, None, HostPort::Exact(8080), 80),
                request(wanted.0, None, HostPort::Exact(wanted.1), 80),
            ];
            let error = network.publish(&id("late"), &ports).await.unwrap_err();
            assert!(matches!(error, NetworkError::PortTaken { .. }), "{error:?}");
            assert_eq!(error.to_string(), words);
        }
        eventually("what was claimed is given back", || {
            outer.is_free("0.0.0.0:8080")
        });
        drop((taken, also));
        network.publish(&id("late"), &tcp(81)).await.unwrap();
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        outer.reaches((LOOPBACK, 81), &server);
    });
}

#[test]
fn the_host_chooses_and_ranges_are_tried_through() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let _taken = outer.namespace.listen("127.0.0.1:9000");
        let ports = [
            request(Protocol::Tcp, None, HostPort::Any, 80),
            request(Protocol::Tcp, None, HostPort::Range(9000, 9001), 80),
            request(Protocol::Udp, Some("127.0.0.1"), HostPort::Any, 80),
        ];
        let held = network.publish(&id("c"), &ports).await.unwrap();
        assert!(held.iter().all(|port| port.host_port > 0), "{held:?}");
        let ranged: Vec<_> = held.iter().filter(|port| port.host_port == 9001).collect();
        assert_eq!(ranged.len(), 2, "{held:?}");
        let any: Vec<_> = held
            .iter()
            .filter(|port| port.protocol == Protocol::Tcp && port.host_port != 9001)
            .collect();
        assert_eq!(any[0].host_port, any[1].host_port, "{held:?}");
        outer.reaches((LOOPBACK, any[0].host_port), &server);
        outer.reaches((LOOPBACK, 9001), &server);

        container(&network, "full").await;
        let ports = [request(
            Protocol::Tcp,
            None,
            HostPort::Range(9000, 9001),
            80,
        )];
        let error = network.publish(&id("full"), &ports).await.unwrap_err();
        assert!(matches!(error, NetworkError::PortsTaken { .. }), "{error}");
    });
}

#[test]
fn a_port_given_back_can_be_had_again_at_once() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        for _ in 0..20 {
            container(&network, "c").await;
            network.publish(&id("c"), &tcp(80)).await.unwrap();
            network.disconnect(&id("c")).await.unwrap();
        }
    });
}

#[test]
fn an_address_the_host_has_not_is_an_error_in_the_hosts_words() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        container(&network, "c").await;
        let ports = [request(
            Protocol::Tcp,
            Some("192.0.2.9"),
            HostPort::Exact(80),
            80,
        )];
        let error = network.publish(&id("c"), &ports).await.unwrap_err();
        assert!(matches!(error, NetworkError::Bind { .. }), "{error:?}");
        assert!(error.to_string().contains("the host says"), "{error}");
    });
}

#[test]
fn a_host_without_ipv6_publishes_on_ipv4() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let off = ["-qw", "net.ipv6.conf.all.disable_ipv6=1"];
        outer.namespace.within(|| run("sysctl", &off));
        let network = outer.network(host).await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let held = network.publish(&id("c"), &tcp(80)).await.unwrap();
        assert!(held.iter().all(|port| port.host_ip.is_ipv4()), "{held:?}");
        outer.reaches((LOOPBACK, 80), &server);
    });
}

#[test]
fn a_host_that_cannot_be_asked_is_said() {
    on_a_host(async |host| {
        let mut outer = Outer::of(host);
        let network = outer.network(host).await;
        container(&network, "c").await;
        outer.agent = None;
        std::fs::remove_file(&outer.socket).unwrap();
        let says = async || {
            let error = network.publish(&id("c"), &tcp(80)).await.unwrap_err();
            assert!(matches!(error, NetworkError::HostAgent { .. }), "{error:?}");
            error.to_string()
        };
        let listener = UnixListener::bind(&outer.socket).unwrap();
        let answers = std::thread::spawn(move || {
            for answer in ["", "nonsense\n", &"x".repeat(100_000)] {
                let (mut asker, _) = listener.accept().unwrap();
                BufReader::new(&asker)
                    .read_line(&mut String::new())
                    .unwrap();
                let _ = asker.write_all(answer.as_bytes());
            }
        });
        for _ in 0..3 {
            assert!(says().await.contains("host.sock"));
        }
        answers.join().unwrap();
        // Nobody is there any more.
        assert!(says().await.contains("host.sock"));
    });
}

#[test]
fn an_agent_and_a_host_that_come_a_little_later_are_waited_for() {
    on_a_host(async |host| {
        let mut outer = Outer::of(host);
        let network = outer.network(host).await;
        container(&network, "c").await;
        outer.agent = None;
        std::fs::remove_file(&outer.socket).unwrap();
        let socket = outer.socket.clone();
        let agent = std::thread::spawn(move || {
            let listener = UnixListener::bind(&socket).unwrap();
            let mut kept = Vec::new();
            for answer in ["0.0.0.0:0", "0.0.0.0:4711", "[::]:4711"] {
                let (mut asker, _) = listener.accept().unwrap();
                BufReader::new(&asker)
                    .read_line(&mut String::new())
                    .unwrap();
                writeln!(asker, "{{\"listening\":\"{answer}\"}}").unwrap();
                kept.push(asker);
            }
            kept
        });
        let ports = [request(Protocol::Tcp, None, HostPort::Any, 80)];
        let held = network.publish(&id("c"), &ports).await.unwrap();
        assert!(held.iter().all(|port| port.host_port == 4711), "{held:?}");
        assert_eq!(agent.join().unwrap().len(), 3);
    });
}

#[test]
fn a_claim_outlives_the_engine_and_ends_with_the_container() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = network.publish(&id("c"), &tcp(8080)).await.unwrap();
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        drop(network);
        outer.reaches((LOOPBACK, 8080), &server);

        let proxy = proxy_pid(host, "c");
        let network = outer.network(host).await;
        let report = network
            .reconcile(&[live("c", &endpoint, &ports, shim)])
            .await;
        assert!(
            report.damaged.is_empty() && report.failures.0.is_empty(),
            "{report:?}"
        );
        assert_eq!(proxy_pid(host, "c"), proxy);
        outer.reaches((LOOPBACK, 8080), &server);
        assert!(!run("nft", &["list", "ruleset"]).contains("elements"));

        drop(network);
        host.end_process(shim);
        eventually("the port is free", || outer.is_free("0.0.0.0:8080"));
    });
}

#[test]
fn claims_of_a_killed_proxy_are_made_again() {
    on_a_host(async |host| {
        let outer = Outer::of(host);
        let network = outer.network(host).await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        let ports = [request(Protocol::Tcp, None, HostPort::Any, 80)];
        let ports = network.publish(&id("c"), &ports).await.unwrap();
        let shim = host.process();
        network.follow(&id("c"), shim).await.unwrap();
        drop(network);
        kill_process(proxy_pid(host, "c"), Signal::KILL).unwrap();

        let network = outer.network(host).await;
        let known = [live("c", &endpoint, &ports, shim)];
        let report = network.reconcile(&known).await;
        assert!(
            report.damaged.is_empty() && report.failures.0.is_empty(),
            "{report:?}"
        );
        outer.reaches((LOOPBACK, ports[0].host_port), &server);
    });
}

#[test]
fn claims_are_made_again_of_another_agent() {
    on_a_host(async |host| {
        let mut outer = Outer::of(host);
        let network = outer.network(host).await;
        let endpoint = container(&network, "c").await;
        let server = Namespace::of(&endpoint).listen("0.0.0.0:80");
        network.publish(&id("c"), &tcp(8080)).await.unwrap();
        outer.agent = None;
        eventually("the port is free", || outer.is_free("0.0.0.0:8080"));
        outer.agent = Some(Agent::start(&outer.socket, &outer.namespace));
        eventually("the port is claimed again", || {
            outer.namespace.connect((LOOPBACK, 8080)).is_ok()
        });
        accept(&server);
        network.disconnect(&id("c")).await.unwrap();
        eventually("the port is free", || outer.is_free("0.0.0.0:8080"));
    });
}
