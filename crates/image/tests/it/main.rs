//! The image store against a real registry, hostile ones, and hostile archives. Wants root: layers have owners,
//! devices and trusted attributes.

mod archives;
mod fake;
mod hostile;
mod layers;
mod pull;
mod registry;
mod remove;
mod store;
mod tars;

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gantry_image::{Images, Options, Progress};

/// On a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of the test's own, and the store in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests unpack layers and want to be run as root"
        );
        Place {
            dir: tempfile::Builder::new()
                .prefix("gantry-image-")
                .tempdir()
                .expect("temporary folder"),
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn root(&self) -> PathBuf {
        self.path().join("image")
    }

    async fn open(&self) -> Images {
        self.open_with(Options::default()).await
    }

    async fn open_with(&self, options: Options) -> Images {
        Images::open(&self.root(), options)
            .await
            .expect("open the store")
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root().join(dir)).expect("a folder of the store");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// Waits until nothing half-made is left.
    async fn settled(&self, layers: usize) {
        until(
            "tmp/ is empty and the layers are as many as they should be",
            || {
                self.names("tmp").is_empty()
                    && self.names("layers").len() == layers
                    && self.names("blobs/sha256").len() == layers
            },
        )
        .await;
    }
}

/// A small file system in memory; unmounted when dropped, whatever came of the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it on `place`, which is made. Options as `size=16m`.
    fn on(place: PathBuf, options: &CStr) -> SmallDisk {
        std::fs::create_dir_all(&place).expect("a folder to mount on");
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("gantry-test", &place, "tmpfs", flags, options)
            .expect("mount a tmpfs");
        SmallDisk(place)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At once gone from sight; the last who has a file open there takes it along.
        let gone = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
        assert!(gone.is_ok() || std::thread::panicking(), "{gone:?}");
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "never came to be: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Progress as lines of text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn taker(&self) -> impl Fn(Progress) + Send + Sync + use<> {
        let lines = Arc::clone(&self.0);
        move |line| {
            let text = match line.id {
                Some(id) => format!("{id}: {}", line.status),
                None => line.status,
            };
            lines.lock().expect("lines").push(text);
        }
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("lines").clone()
    }

    fn has(&self, text: &str) -> bool {
        self.all().iter().any(|line| line == text)
    }
}
