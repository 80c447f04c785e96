//! Names, addresses and ports that nobody else on this machine uses.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::run;
use crate::scratch::Scratch;

/// Where the locks lie: processes of all users of this machine agree by it.
const LOCKS: &str = "/run/gantry-tests";
/// How many engines of tests may run at once.
const PLACES: u16 = 1000;

/// A bridge's name and subnet, held by a lock for as long as this lives.
pub struct Subnet {
    number: u16,
    name: String,
    _lock: File,
}

impl Subnet {
    /// Takes one that is free: unlocked, no interface of its name, no route into it. What a killed run left behind
    /// takes its place from it for good, and nothing else.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn take() -> Self {
        fs::create_dir_all(LOCKS).expect("a folder for locks");
        let first = u16::try_from(std::process::id() % u32::from(PLACES)).unwrap_or(0);
        for number in (0..PLACES).map(|step| (first + step) % PLACES) {
            let path = format!("{LOCKS}/subnet-{number}");
            let Ok(lock) = File::options().create(true).append(true).open(&path) else {
                continue;
            };
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            let subnet = Self {
                number,
                name: format!("gtest{number}"),
                _lock: lock,
            };
            if !Path::new("/sys/class/net").join(subnet.name()).exists() && !subnet.is_routed() {
                return subnet;
            }
        }
        panic!("all {PLACES} subnets for tests are taken: see {LOCKS} and `ip route`");
    }

    /// The bridge's name, which the control groups' parent has as well.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bridge's address, with the subnet's size.
    #[must_use]
    pub fn bip(&self) -> String {
        format!("{}.1/24", self.prefix())
    }

    /// The first three numbers of its addresses.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("10.{}.{}", 200 + self.number / 250, self.number % 250)
    }

    fn is_routed(&self) -> bool {
        let routes = run(Command::new("ip").args(["-4", "route", "show", "table", "all"])).ok();
        let prefix = format!("{}.", self.prefix());
        routes
            .split_whitespace()
            .any(|word| word.starts_with(&prefix))
    }
}

/// A TCP port of the loopback interface that was free a moment ago, and below those that the kernel gives to whoever
/// asks for any.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn free_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next();
    let first: u16 = first.and_then(|word| word.parse().ok()).unwrap_or(32_768);
    (0..1000)
        .map(|_| rand::random_range(10_000..first.max(10_100)))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// A network namespace with only a loopback interface; gone when dropped.
pub struct Namespace {
    folder: Scratch,
}

impl Namespace {
    /// Makes one.
    ///
    /// # Panics
    /// Where `unshare` (package util-linux) can't.
    #[must_use]
    pub fn new() -> Self {
        let namespace = Self {
            folder: Scratch::new("netns", ""),
        };
        fs::write(namespace.path(), "").expect("a file to mount the namespace on");
        run(Command::new("unshare")
            .arg(format!("--net={}", namespace.path().display()))
            .arg("true"))
        .ok();
        run(namespace.command("ip").args(["link", "set", "lo", "up"])).ok();
        namespace
    }

    /// The file that names it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    /// A program in this namespace. Only its network is another; it sees the same files and control groups.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.path().display()))
            .arg(program);
        command
    }

    /// Moves the calling thread into a namespace, for the rest of its life.
    ///
    /// # Panics
    /// Where the kernel refuses.
    pub fn enter(path: &Path) {
        let file = File::open(path).expect("the namespace's file");
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&file),
            Some(LinkNameSpaceType::Network),
        )
        .expect("entering a network namespace needs root");
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(self.path()));
    }
}
