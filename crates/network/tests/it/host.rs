//! A host to test on: a fresh network namespace (and mount namespace), with a way to the outside if wanted.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantry_network::{
    Attachment, Endpoint, EndpointId, HostPort, Live, Network, Options, PortBinding, PortRequest,
    Protocol, Want,
};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// A busy machine gets this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The outside's end of the wire between it and the host, and the host's end.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// The host of one test.
pub(crate) struct Host {
    root: PathBuf,
    processes: Vec<Child>,
}

/// Runs a test on a host of its own.
pub(crate) fn on_a_host(test: impl AsyncFnOnce(&mut Host) + Send + 'static) {
    assert!(
        rustix::process::geteuid().is_root(),
        "these tests make network namespaces: run them as root"
    );
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_owned();
    let result = std::thread::spawn(move || {
        unshare(UnshareFlags::NEWNET | UnshareFlags::NEWNS);
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )
        .unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut host = Host {
            root: path,
            processes: Vec::new(),
        };
        runtime.block_on(test(&mut host));
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn unshare(flags: UnshareFlags) {
    // SAFETY: neither memory nor file descriptors are unshared; the thread is the test's own.
    unsafe { unshare_unsafe(flags) }.unwrap();
}

impl Host {
    pub(crate) fn exec_root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn options(&self, bridge: &str, bip: &str) -> Options {
        Options {
            bridge: bridge.to_owned(),
            bip: Some(bip.parse().unwrap()),
            exclude: Vec::new(),
            exec_root: self.root.join(bridge),
            proxy_binary: env!("CARGO_BIN_EXE_gantry-proxy").into(),
            host_agent: None,
            forward_others: false,
            mtu: None,
        }
    }

    pub(crate) async fn network(&self) -> Network {
        Network::open(self.options("gantry0", "10.88.0.1/24"))
            .await
            .unwrap()
    }

    /// A process that stands for a shim; it is ended with the test at the latest.
    pub(crate) fn process(&mut self) -> i32 {
        let process = Command::new("sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.processes.push(process);
        self.processes.last().unwrap().id().cast_signed()
    }

    pub(crate) fn end_process(&mut self, pid: i32) {
        let at = self
            .processes
            .iter()
            .position(|process| process.id().cast_signed() == pid)
            .unwrap();
        let mut process = self.processes.remove(at);
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Another machine, [`OUTSIDE`], on a wire to this one, which is [`HOST`] there. It has no route to containers.
    pub(crate) fn outside(&self) -> Namespace {
        let namespace = Namespace::new();
        let there = namespace.path();
        run(
            "ip",
            &[
                "link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", &there,
            ],
        );
        run("ip", &["address", "add", "198.51.100.1/24", "dev", "wan0"]);
        run("ip", &["link", "set", "wan0", "up"]);
        namespace.within(|| {
            run("ip", &["address", "add", "198.51.100.2/24", "dev", "eth0"]);
            run("ip", &["link", "set", "eth0", "up"]);
        });
        namespace
    }

    /// A machine on another wire of this host, which meets it with an interface that is neither a bridge nor half of a
    /// pair: `.2` there, `.1` here, which is its way to everywhere.
    pub(crate) fn lan(&self, name: &str, subnet: &str) -> Namespace {
        let namespace = Namespace::new();
        let there = namespace.path();
        let pair = [
            "link", "add", "wire", "type", "veth", "peer", "name", "eth0",
        ];
        run("ip", &[&pair[..], &["netns", &there]].concat());
        let wire = format!("{name}.wire");
        run("ip", &["link", "set", "wire", "name", &wire, "up"]);
        let card = ["link", "add", "link", &wire, "name", name, "type"];
        run("ip", &[&card[..], &["macvlan", "mode", "bridge"]].concat());
        let up = |interface: &str, last: &str| {
            let address = format!("{subnet}.{last}/24");
            run("ip", &["address", "add", &address, "dev", interface]);
            run("ip", &["link", "set", interface, "up"]);
        };
        up(name, "1");
        namespace.within(|| {
            up("eth0", "2");
            let gateway = format!("{subnet}.1");
            run("ip", &["route", "add", "default", "via", &gateway]);
        });
        namespace
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for mut process in self.processes.drain(..) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A network namespace to make sockets in.
pub(crate) struct Namespace(File);

impl Namespace {
    fn new() -> Self {
        let made = std::thread::spawn(|| {
            unshare(UnshareFlags::NEWNET);
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(made.join().unwrap())
    }

    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        Self(File::open(&endpoint.netns).unwrap())
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self(File::open(path).unwrap())
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// A socket belongs to the namespace it was made in, wherever it is used.
    pub(crate) fn listen(&self, address: &str) -> TcpListener {
        self.within(|| TcpListener::bind(address).unwrap())
    }

    pub(crate) fn udp(&self, address: &str) -> UdpSocket {
        self.within(|| udp(address))
    }

    pub(crate) fn connect(&self, address: impl Into<SocketAddr>) -> io::Result<TcpStream> {
        let address = address.into();
        self.within(|| connect(address))
    }
}

pub(crate) fn udp(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn connect(address: impl Into<SocketAddr>) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The connection a container's server gets, and who it says it comes from.
pub(crate) fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut ready = [rustix::event::PollFd::new(
        listener,
        rustix::event::PollFlags::IN,
    )];
    let limit = rustix::event::Timespec {
        tv_sec: PATIENCE.as_secs().cast_signed(),
        tv_nsec: 0,
    };
    assert_eq!(
        rustix::event::poll(&mut ready, Some(&limit)).unwrap(),
        1,
        "nobody came"
    );
    let (stream, from) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    (stream, from)
}

/// Runs a program in the calling thread's namespaces; its output.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until something is so that the network's own tasks bring about.
pub(crate) async fn eventually_async(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn id(name: &str) -> EndpointId {
    name.parse().unwrap()
}

/// A namespace joined to the network.
pub(crate) async fn container(network: &Network, name: &str) -> Endpoint {
    network.create_namespace(&id(name)).await.unwrap();
    network.connect(&id(name), Want::default()).await.unwrap()
}

pub(crate) fn request(
    protocol: Protocol,
    host_ip: Option<&str>,
    host_port: HostPort,
    container_port: u16,
) -> PortRequest {
    PortRequest {
        container_port,
        protocol,
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        host_port,
    }
}

/// Ports of both kinds that the outside can call: TCP 8080 of every address, UDP 5353 of [`HOST`].
pub(crate) fn outside_ports() -> [PortRequest; 2] {
    let dns = Some("198.51.100.1");
    [
        request(Protocol::Tcp, None, HostPort::Exact(8080), 80),
        request(Protocol::Udp, dns, HostPort::Exact(5353), 53),
    ]
}

pub(crate) fn live(name: &str, endpoint: &Endpoint, ports: &[PortBinding], pid: i32) -> Live {
    let attachment = Attachment {
        ip: endpoint.ip,
        mac: endpoint.mac,
        ports: ports.to_vec(),
        pid,
    };
    Live {
        id: id(name),
        attachment: Some(attachment),
    }
}

/// The proxy of a container on the network that [`Host::network`] opens.
pub(crate) fn proxy_pid(host: &Host, name: &str) -> Pid {
    let record =
        std::fs::read_to_string(host.exec_root().join("gantry0/proxy").join(name)).unwrap();
    let pid = record.split("\"pid\":").nth(1).unwrap();
    Pid::from_raw(pid.split(',').next().unwrap().parse().unwrap()).unwrap()
}

/// Names of the host's interfaces.
pub(crate) fn interfaces() -> Vec<String> {
    let text = run("ip", &["-o", "link"]);
    text.lines()
        .filter_map(|line| Some(line.split(": ").nth(1)?.split('@').next()?.to_owned()))
        .collect()
}

pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
