//! Debian's `docker-registry`, started by the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use gantry_image::Digest;
use reqwest::header::{AUTHORIZATION, HeaderMap};

use crate::tars::{MANIFEST, TestImage};
use crate::{PATIENCE, Place};

/// The account that a private registry knows.
pub const USER: &str = "user";
pub const PASSWORD: &str = "secret";
/// The same, as htpasswd writes it with bcrypt.
const HTPASSWD: &str = "user:$2b$04$.jP3EHHfma4lSLA5g8q2tOANckaBq1B0/5qWE3YWzOeVxPf7B488i\n";

pub struct Registry {
    child: Child,
    pub host: String,
    client: reqwest::Client,
    _place: Place,
}

impl Registry {
    pub async fn start() -> Registry {
        Registry::start_any(false).await
    }

    /// One that only lets [`USER`] in.
    pub async fn start_private() -> Registry {
        Registry::start_any(true).await
    }

    async fn start_any(private: bool) -> Registry {
        for _ in 0..5 {
            if let Some(registry) = Registry::try_start(private).await {
                return registry;
            }
        }
        panic!("docker-registry does not start: is the package docker-registry installed?");
    }

    async fn try_start(private: bool) -> Option<Registry> {
        let place = Place::new();
        let accounts = place.path().join("htpasswd");
        std::fs::write(&accounts, HTPASSWD).expect("accounts");
        let more = if private {
            format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}",
                accounts.display()
            )
        } else {
            String::new()
        };
        // Free now; if someone else is faster, the next try has another.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|s| s.local_addr())
            .expect("port")
            .port();
        let host = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}/data}}}}\nhttp: {{addr: {host}}}\n{more}\n",
            place.path().display()
        );
        let file = place.path().join("config.yml");
        std::fs::write(&file, config).expect("config");
        let mut child = command(&file)
            .spawn()
            .expect("docker-registry: is the package installed?");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .default_headers(login())
            .build()
            .expect("client");
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if child.try_wait().expect("wait").is_some() {
                return None;
            }
            if client
                .get(format!("http://{host}/v2/"))
                .send()
                .await
                .is_ok()
            {
                return Some(Registry {
                    child,
                    host,
                    client,
                    _place: place,
                });
            }
            assert!(
                std::time::Instant::now() < deadline,
                "docker-registry never listens"
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    pub async fn push(&self, name: &str, tag: &str, image: &TestImage) {
        self.push_image(name, tag, image, MANIFEST).await;
    }

    pub async fn push_image(
        &self,
        name: &str,
        reference: &str,
        image: &TestImage,
        media_type: &str,
    ) {
        for blob in image.layers.iter().chain([&image.config]) {
            self.push_blob(name, blob).await;
        }
        self.push_manifest(name, reference, &image.manifest, media_type)
            .await;
    }

    pub async fn push_blob(&self, name: &str, blob: &[u8]) {
        let url = format!("http://{}/v2/{name}/blobs/uploads/", self.host);
        let begun = self
            .client
            .post(url)
            .send()
            .await
            .expect("begin")
            .error_for_status()
            .expect("begin");
        let location = begun.headers()["location"]
            .to_str()
            .expect("location")
            .to_owned();
        let url = format!("{location}&digest={}", Digest::of(blob));
        let put = self.client.put(url).body(blob.to_vec());
        put.header("content-type", "application/octet-stream")
            .send()
            .await
            .expect("put")
            .error_for_status()
            .expect("put");
    }

    pub async fn push_manifest(
        &self,
        name: &str,
        reference: &str,
        manifest: &[u8],
        media_type: &str,
    ) {
        let url = format!("http://{}/v2/{name}/manifests/{reference}", self.host);
        let put = self
            .client
            .put(url)
            .header("content-type", media_type)
            .body(manifest.to_vec());
        let answer = put.send().await.expect("put");
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.expect("text")
        );
    }
}

/// For the test's own pushes; a registry that is open to all doesn't look at it.
fn login() -> HeaderMap {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let value = format!("Basic {pair}").parse().expect("a header");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

fn command(config: &Path) -> Command {
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    command.env("OTEL_TRACES_EXPORTER", "none");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
