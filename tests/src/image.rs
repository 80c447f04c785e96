//! Images made from this machine's programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A layer, as a tar.
pub struct Layer(tar::Builder<Vec<u8>>);

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer {
    /// A layer with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn add(&mut self, kind: tar::EntryType, path: &str, mode: u32, bytes: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_760_000_000);
        self.0
            .append_data(&mut header, path, bytes)
            .expect("a tar in memory takes everything");
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, bytes: &[u8]) -> Self {
        self.add(tar::EntryType::Regular, path, mode, bytes);
        self
    }

    /// Adds a folder.
    #[must_use]
    pub fn folder(mut self, path: &str, mode: u32) -> Self {
        self.add(tar::EntryType::Directory, path, mode, &[]);
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        self.0
            .append_link(&mut header, path, target)
            .expect("a tar in memory takes everything");
        self
    }

    /// Adds a file of this machine under its own name, whatever links lead to it.
    #[must_use]
    pub fn host_file(self, path: &Path) -> Self {
        let bytes = fs::read(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let name = path.to_string_lossy().trim_start_matches('/').to_owned();
        self.file(&name, 0o755, &bytes)
    }

    /// The tar.
    #[must_use]
    pub fn tar(self) -> Vec<u8> {
        self.0
            .into_inner()
            .expect("a tar in memory takes everything")
    }
}

/// An image: configuration and layers.
pub struct Image {
    /// The OCI image configuration.
    pub config: Vec<u8>,
    /// Uncompressed tars, lowest first.
    pub layers: Vec<Vec<u8>>,
}

impl Image {
    /// An image of these layers; `config` is the `config` object of the OCI image configuration.
    #[must_use]
    pub fn new(layers: Vec<Vec<u8>>, config: &Value) -> Self {
        let ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
        let history: Vec<_> = layers
            .iter()
            .map(|_| json!({"created": "2026-01-01T00:00:00Z", "created_by": "made by a test"}))
            .collect();
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": ids},
            "history": history,
        });
        Self {
            config: config.to_string().into_bytes(),
            layers,
        }
    }

    /// The image's id.
    #[must_use]
    pub fn id(&self) -> String {
        digest(&self.config)
    }

    /// As `docker save` writes it.
    #[must_use]
    pub fn archive(&self, tag: &str) -> Vec<u8> {
        let mut archive = Layer::new();
        let mut names = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let name = format!("{number}/layer.tar");
            archive = archive.file(&name, 0o644, layer);
            names.push(name);
        }
        let manifest = json!([{"Config": "config.json", "RepoTags": [tag], "Layers": names}]);
        archive
            .file("config.json", 0o644, &self.config)
            .file("manifest.json", 0o644, manifest.to_string().as_bytes())
            .tar()
    }
}

/// `sha256:…` of bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Debian's busybox-static with all its commands: `busybox:latest`.
#[must_use]
pub fn busybox() -> Image {
    let path = Path::new("/bin/busybox");
    let list = crate::run(Command::new(path).arg("--list")).ok();
    let mut layer = Layer::new()
        .folder("bin", 0o755)
        .folder("etc", 0o755)
        .folder("root", 0o700)
        .folder("tmp", 0o1777)
        .folder("home", 0o755)
        .folder("var", 0o755)
        .host_file(path)
        .file(
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n",
        )
        .file(
            "etc/group",
            0o644,
            b"root:x:0:\nuser:x:1000:\nextra:x:2000:user\n",
        );
    for command in list.lines().filter(|command| *command != "busybox") {
        layer = layer.link(&format!("bin/{command}"), "busybox");
    }
    Image::new(
        vec![layer.tar()],
        &json!({"Env": ["PATH=/bin", "FROM_IMAGE=yes"], "Cmd": ["sh"]}),
    )
}

/// A real web server (Debian's nginx with the libraries it needs) that serves `page` on port 80: stands in for
/// `docker/getting-started`, which is an nginx with pages as well.
#[must_use]
pub fn web(page: &str) -> Image {
    let nginx = Path::new("/usr/sbin/nginx");
    let mut server = Layer::new();
    for path in std::iter::once(nginx.to_owned()).chain(libraries(nginx)) {
        server = server.host_file(&path);
    }
    let server = server
        .folder("dev", 0o755)
        .folder("run", 0o755)
        .folder("tmp", 0o1777)
        .folder("var/log/nginx", 0o755)
        .folder("var/lib/nginx", 0o755)
        .file(
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n",
        )
        .file("etc/group", 0o644, b"root:x:0:\nwww-data:x:33:\n");
    let configuration =
        b"user www-data;\nworker_processes 1;\nerror_log /dev/stderr;\npid /run/nginx.pid;\n\
        events { worker_connections 64; }\n\
        http { access_log /dev/stdout; default_type text/html;\n\
        server { listen 80; listen [::]:80; root /usr/share/nginx/html; } }\n";
    let site = Layer::new()
        .file("etc/nginx/nginx.conf", 0o644, configuration)
        .file("usr/share/nginx/html/index.html", 0o644, page.as_bytes());
    let config = json!({
        "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["nginx", "-g", "daemon off;"],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    });
    Image::new(vec![server.tar(), site.tar()], &config)
}

/// One program of this machine, with the libraries it needs, which runs alone.
#[must_use]
pub fn program(path: &Path) -> Image {
    let mut layer = Layer::new();
    for file in std::iter::once(path.to_owned()).chain(libraries(path)) {
        layer = layer.host_file(&file);
    }
    Image::new(vec![layer.tar()], &json!({"Entrypoint": [path]}))
}

/// The shared libraries that a program loads, by the names under which it looks for them.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let text = crate::run(Command::new("ldd").arg(program)).ok();
    let words = text
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    let found: BTreeSet<_> = words.map(PathBuf::from).collect();
    assert!(
        !found.is_empty(),
        "{} needs no library? {text}",
        program.display()
    );
    found
}
