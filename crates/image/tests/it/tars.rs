//! Tars and images made in the test.

use std::io::Write;

use gantry_image::Digest;
use serde_json::{Value, json};
use tar::{EntryType, Header};

/// A tar, entry by entry, with whatever names.
#[derive(Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn entry(
        mut self,
        kind: EntryType,
        name: &[u8],
        link: &[u8],
        data: &[u8],
        set: impl FnOnce(&mut Header),
    ) -> Tar {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
        header.set_mode(if kind == EntryType::Directory {
            0o755
        } else {
            0o644
        });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        set(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, data: impl AsRef<[u8]>) -> Tar {
        self.entry(
            EntryType::Regular,
            name.as_bytes(),
            b"",
            data.as_ref(),
            |_| (),
        )
    }

    pub fn dir(self, name: &str) -> Tar {
        self.entry(EntryType::Directory, name.as_bytes(), b"", b"", |_| ())
    }

    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.entry(
            EntryType::Symlink,
            name.as_bytes(),
            target.as_bytes(),
            b"",
            |_| (),
        )
    }

    pub fn hard_link(self, name: &str, target: &str) -> Tar {
        self.entry(
            EntryType::Link,
            name.as_bytes(),
            target.as_bytes(),
            b"",
            |_| (),
        )
    }

    pub fn device(self, name: &str, major: u32, minor: u32) -> Tar {
        self.entry(EntryType::Char, name.as_bytes(), b"", b"", |header| {
            header.set_device_major(major).expect("ustar");
            header.set_device_minor(minor).expect("ustar");
        })
    }

    pub fn pax(self, records: &[(&str, &[u8])]) -> Tar {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut len = rest + 1;
            while len != rest + len.to_string().len() {
                len = rest + len.to_string().len();
            }
            body.extend_from_slice(format!("{len} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.entry(EntryType::XHeader, b"pax", b"", &body, |_| ())
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    /// Without the two empty blocks.
    pub fn unfinished(self) -> Vec<u8> {
        self.0
    }
}

pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("gzip");
    encoder.finish().expect("gzip")
}

pub fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 1).expect("zstd")
}

/// An uncompressed tar, and how it is to be compressed.
pub type LayerTar<'a> = (&'a [u8], fn(&[u8]) -> Vec<u8>);

/// An image as a registry has it.
#[derive(Clone)]
pub struct TestImage {
    pub config: Vec<u8>,
    /// Compressed or not.
    pub layers: Vec<Vec<u8>>,
    pub manifest: Vec<u8>,
}

pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl TestImage {
    /// From uncompressed tars and how each is to be compressed.
    pub fn new(layers: &[LayerTar<'_>], run: Value) -> TestImage {
        TestImage::for_platform("amd64", layers, run)
    }

    pub fn for_platform(architecture: &str, layers: &[LayerTar<'_>], run: Value) -> TestImage {
        let diff_ids: Vec<String> = layers
            .iter()
            .map(|(tar, _)| Digest::of(tar).to_string())
            .collect();
        let history: Vec<Value> = (0..layers.len())
            .map(|n| json!({"created": "2024-01-01T00:00:00Z", "created_by": format!("step {n}")}))
            .collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "2024-05-06T07:08:09.1Z",
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        });
        let layers = layers.iter().map(|(tar, compress)| compress(tar)).collect();
        TestImage::with_config(config.to_string().into_bytes(), layers)
    }

    pub fn with_config(config: Vec<u8>, layers: Vec<Vec<u8>>) -> TestImage {
        let descriptors: Vec<Value> = layers
            .iter()
            .map(|layer| {
                json!({
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "size": layer.len(),
                    "digest": Digest::of(layer).to_string(),
                })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": Digest::of(&config).to_string(),
            },
            "layers": descriptors,
        });
        TestImage {
            config,
            layers,
            manifest: manifest.to_string().into_bytes(),
        }
    }

    pub fn id(&self) -> String {
        Digest::of(&self.config).to_string()
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

pub fn plain(data: &[u8]) -> Vec<u8> {
    data.to_vec()
}

/// An image of one small layer that differs by `content`.
pub fn small_image(content: &str) -> TestImage {
    let tar = Tar::default()
        .dir("etc/")
        .file("etc/content", content)
        .end();
    TestImage::new(
        &[(&tar, gzip)],
        json!({"Cmd": ["sh"], "Labels": {"content": content}}),
    )
}

/// An archive as old `docker save` wrote it: `manifest.json`, a config, plain layers.
pub fn docker_archive(images: &[(&TestImage, &[&str])]) -> Vec<u8> {
    let mut tar = Tar::default();
    let mut manifest = Vec::new();
    for (image, tags) in images {
        let config = format!("{}.json", &image.id()[7..]);
        tar = tar.file(&config, &image.config);
        let mut layers = Vec::new();
        for layer in &image.layers {
            let name = format!("{}/layer.tar", Digest::of(layer).hex().split_at(32).0);
            tar = tar.file(&name, layer);
            layers.push(name);
        }
        manifest.push(json!({"Config": config, "RepoTags": tags, "Layers": layers}));
    }
    tar.file("manifest.json", Value::from(manifest).to_string())
        .end()
}
