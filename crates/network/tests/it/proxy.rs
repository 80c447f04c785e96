//! `gantry-proxy` by itself: its bounds, and what ends it.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gantry_network::Protocol;
use gantry_network::handshake::{self, Answer, Order, ProxiedPort, UdpLimits};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::host::{accept, connect, eventually, on_a_host, udp};

fn begin(udp: UdpLimits) -> Order {
    Order::Begin {
        udp,
        table: "gantry-none".to_owned(),
    }
}

/// A proxy of one UDP port, which leads to a server on the same host.
struct Proxy {
    control: OwnedFd,
    process: Child,
    client_port: u16,
    server: UdpSocket,
}

/// The engine's end and the proxy's of what they talk over.
fn control() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

impl Proxy {
    fn start(limits: UdpLimits) -> Self {
        let (control, theirs) = control();
        let process = Command::new(env!("CARGO_BIN_EXE_gantry-proxy"))
            .stdin(Stdio::from(theirs))
            .spawn()
            .unwrap();
        let server = udp("127.0.0.1:0");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let client_port = socket.local_addr().unwrap().port();
        let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, server.local_addr().unwrap().port());
        let ports = vec![ProxiedPort {
            protocol: Protocol::Udp,
            target,
        }];
        handshake::send(&control, &Order::Listen(ports), &[socket.as_fd()]).unwrap();
        let lock = tempfile::tempfile().unwrap();
        handshake::send(&control, &begin(limits), &[lock.as_fd()]).unwrap();
        let (answer, _) = handshake::receive::<Answer>(&control).unwrap().unwrap();
        assert_eq!(answer, Answer::Ready);
        Self {
            control,
            process,
            client_port,
            server,
        }
    }

    /// Sends a datagram by the proxy; the proxy's address as the server sees it.
    fn ask(&self, client: &UdpSocket) -> std::net::SocketAddr {
        client
            .send_to(b"?", ("127.0.0.1", self.client_port))
            .unwrap();
        self.server.recv_from(&mut [0; 8]).unwrap().1
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id()))
            .unwrap()
            .count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn silent_udp_clients_are_forgotten() {
    on_a_host(async |_| {
        let proxy = Proxy::start(UdpLimits {
            idle: Duration::from_millis(200),
            sessions: 10,
        });
        let before = proxy.descriptors();
        let client = udp("127.0.0.1:0");
        let first = proxy.ask(&client);
        eventually("the session is gone", || proxy.descriptors() == before);
        let second = proxy.ask(&client);
        assert_ne!(first, second);
    });
}

#[test]
fn udp_clients_are_bounded_and_the_stalest_gives_way() {
    on_a_host(async |_| {
        let proxy = Proxy::start(UdpLimits {
            idle: Duration::from_secs(3600),
            sessions: 4,
        });
        let before = proxy.descriptors();
        let clients: Vec<_> = (0..20).map(|_| udp("127.0.0.1:0")).collect();
        let seen: Vec<_> = clients.iter().map(|client| proxy.ask(client)).collect();
        eventually("four sessions are left", || {
            proxy.descriptors() == before + 4
        });
        assert_eq!(
            proxy.ask(&clients[16]),
            seen[16],
            "a fresh session was dropped"
        );
        assert_ne!(proxy.ask(&clients[0]), seen[0], "a stale session was kept");
    });
}

#[test]
fn orders_it_does_not_understand_end_it() {
    on_a_host(async |_| {
        for spoilt in [&b"nonsense"[..], br#"{"Listen":[]}x"#, br#""Follow""#] {
            let mut proxy = Proxy::start(UdpLimits::default());
            rustix::net::send(&proxy.control, spoilt, rustix::net::SendFlags::empty()).unwrap();
            assert!(!proxy.process.wait().unwrap().success());
        }
    });
}

#[test]
fn connections_beyond_what_it_may_open_wait_for_their_turn() {
    on_a_host(async |_| {
        let (control, theirs) = control();
        let few = format!("ulimit -n 64; exec {}", env!("CARGO_BIN_EXE_gantry-proxy"));
        let mut process = Command::new("sh")
            .args(["-c", &few])
            .stdin(Stdio::from(theirs))
            .spawn()
            .unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let called = listener.local_addr().unwrap();
        let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, server.local_addr().unwrap().port());
        let ports = vec![ProxiedPort {
            protocol: Protocol::Tcp,
            target,
        }];
        handshake::send(&control, &Order::Listen(ports), &[listener.as_fd()]).unwrap();
        let lock = tempfile::tempfile().unwrap();
        handshake::send(&control, &begin(UdpLimits::default()), &[lock.as_fd()]).unwrap();
        assert_eq!(
            handshake::receive::<Answer>(&control).unwrap().unwrap().0,
            Answer::Ready
        );

        // Far more than fit; each is served as those before it leave.
        let mut clients: Vec<_> = (0..40).map(|_| connect(called).unwrap()).collect();
        for client in clients.drain(..) {
            accept(&server);
            drop(client);
        }
        process.kill().unwrap();
        process.wait().unwrap();
    });
}
