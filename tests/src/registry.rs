//! Debian's docker-registry, on a free port of the loopback interface.

use std::fs;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::image::{Image, digest};
use crate::network::free_port;
use crate::scratch::Scratch;
use crate::{Namespace, Response, Running, request, run, until};

/// A registry of a test; ended when dropped.
pub struct Registry {
    port: u16,
    namespace: Option<std::path::PathBuf>,
    _process: Running,
    _folder: Scratch,
}

impl Registry {
    /// Starts one.
    ///
    /// # Panics
    /// Where it doesn't answer.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(None)
    }

    /// Starts one in a network namespace.
    ///
    /// # Panics
    /// Where it doesn't answer.
    #[must_use]
    pub fn start_in(namespace: Option<&Namespace>) -> Self {
        // Another process may take the port between finding it free and listening on it.
        for _ in 0..20 {
            if let Some(registry) = Self::try_start(namespace) {
                return registry;
            }
        }
        panic!("docker-registry (package docker-registry) would not start on any of twenty ports");
    }

    fn try_start(namespace: Option<&Namespace>) -> Option<Self> {
        let folder = Scratch::new("registry", "");
        let port = free_port();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n",
            folder.path().join("data").display()
        );
        fs::write(&config, text).expect("the registry's configuration");
        // Dies with its test, even where that is killed.
        let mut words = vec!["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve"];
        let inside = namespace.map(|namespace| format!("--net={}", namespace.path().display()));
        if let Some(inside) = &inside {
            words.splice(0..0, ["nsenter", inside]);
        }
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(&config).stdin(Stdio::null());
        let mut registry = Self {
            port,
            namespace: namespace.map(|namespace| namespace.path().to_owned()),
            _process: Running::start(&mut command),
            _folder: folder,
        };
        let answers = until("docker-registry should answer or end", || {
            if registry._process.has_ended() {
                return Ok(false);
            }
            match registry.ask("GET", "/v2/", &[], &[]) {
                Some(response) if response.status == 200 => Ok(true),
                other => Err(format!("{other:?} {}", registry._process.stderr())),
            }
        });
        answers.then_some(registry)
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends it a request; `None` where it can't be reached.
    #[must_use]
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Response> {
        let (port, namespace) = (self.port, self.namespace.clone());
        let send = move || {
            if let Some(namespace) = namespace {
                Namespace::enter(&namespace);
            }
            let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            request(stream, method, path, headers, body).ok()
        };
        // A thread of its own: a namespace is entered by threads, and this one must not stay there.
        std::thread::scope(|scope| scope.spawn(send).join().ok().flatten())
    }

    /// Stores an image, as `docker push` would, with gzipped layers.
    ///
    /// # Panics
    /// Where the registry refuses anything.
    pub fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        let config = self.push_blob(name, &image.config);
        let layers: Vec<_> = image
            .layers
            .iter()
            .map(|layer| {
                let gzip = gzip(layer);
                json!({
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "size": gzip.len(),
                    "digest": self.push_blob(name, &gzip),
                })
            })
            .collect();
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": image.config.len(),
                "digest": config,
            },
            "layers": layers,
        })
        .to_string();
        let path = format!("/v2/{name}/manifests/{tag}");
        let answer = self.ask("PUT", &path, &[("Content-Type", kind)], manifest.as_bytes());
        assert!(
            answer.as_ref().is_some_and(|answer| answer.status == 201),
            "PUT {path}: {answer:?}"
        );
        digest(manifest.as_bytes())
    }

    fn push_blob(&self, name: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let answer = self.ask("POST", &format!("/v2/{name}/blobs/uploads/"), &[], &[]);
        let location = answer.as_ref().and_then(|answer| answer.header("location"));
        let location = location.unwrap_or_else(|| panic!("no upload for {name}: {answer:?}"));
        let path = location.find("/v2/").map_or(location, |at| &location[at..]);
        let join = if path.contains('?') { '&' } else { '?' };
        let kind = [("Content-Type", "application/octet-stream")];
        let answer = self.ask("PUT", &format!("{path}{join}digest={digest}"), &kind, bytes);
        assert!(
            answer.as_ref().is_some_and(|answer| answer.status == 201),
            "{name}: {answer:?}"
        );
        digest
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("layer");
    fs::write(&path, bytes).expect("a temporary file");
    run(Command::new("gzip").arg("-1").arg(&path)).ok();
    fs::read(folder.path().join("layer.gz")).expect("gzip's file")
}
