//! The image as an archive: OCI image layout (image-spec, "image-layout.md")
//! in one tar, and the `manifest.json` that engines want which don't know that
//! layout. The same sources give the same bytes.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{PORT, REFERENCE, site};

/// The web server, one static program for Linux.
static SERVER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/server"));

/// When the image says it was made: fixed, so that equal sources give equal bytes.
const CREATED: &str = "2026-01-01T00:00:00Z";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The image `gantry/getting-started` as a tar in OCI image layout, ready for
/// `POST /images/load`.
pub fn archive() -> Vec<u8> {
    let mut out = Tar::new();
    out.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644);

    let layers = [server_layer(), pages_layer()];
    let config = json!({
        "created": CREATED,
        "author": "Gantry",
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Cmd": ["/server", "/srv/tutorial"],
            "Env": ["PATH=/"],
            "ExposedPorts": { format!("{PORT}/tcp"): {} },
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "Getting started with Gantry",
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>() },
        "history": [
            { "created": CREATED, "created_by": "the tutorial's web server" },
            { "created": CREATED, "created_by": "the tutorial's pages" },
            { "created": CREATED, "created_by": "CMD [\"/server\", \"/srv/tutorial\"]", "empty_layer": true },
        ],
    });

    let config = out.blob(CONFIG, config.to_string().as_bytes());
    let layers: Vec<Value> = layers.iter().map(|layer| out.blob(LAYER, layer)).collect();
    let path = |descriptor: &Value| blob_name(descriptor["digest"].as_str().unwrap_or_default());
    let dockers = json!([{
        "Config": path(&config),
        "RepoTags": [REFERENCE],
        "Layers": layers.iter().map(path).collect::<Vec<_>>(),
    }]);
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let mut entry = out.blob(MANIFEST, manifest.to_string().as_bytes());
    entry["annotations"] = json!({
        "io.containerd.image.name": format!("docker.io/{REFERENCE}"),
        "org.opencontainers.image.ref.name": "latest",
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    out.file("index.json", index.to_string().as_bytes(), 0o644);
    out.file("manifest.json", dockers.to_string().as_bytes(), 0o644);
    out.end()
}

fn server_layer() -> Vec<u8> {
    let mut layer = Tar::new();
    layer.file("server", SERVER, 0o755);
    layer.end()
}

fn pages_layer() -> Vec<u8> {
    let mut layer = Tar::new();
    layer.folder("srv");
    layer.folder("srv/tutorial");
    for language in &site::LANGUAGES {
        layer.folder(&format!("srv/tutorial/{}", language.code));
    }
    for (name, bytes) in site::files() {
        layer.file(&format!("srv/tutorial/{name}"), &bytes, 0o644);
    }
    layer.end()
}

/// The architecture of the bundled server in the words of image configurations.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Where a blob is in the archive.
fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"))
}

/// A tar in memory, which nothing can refuse.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn add(&mut self, name: &str, bytes: &[u8], mode: u32, kind: tar::EntryType) {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_mtime(0);
        self.0
            .append_data(&mut header, name, bytes)
            .expect("a short name and bytes in memory fit a tar");
    }

    fn file(&mut self, name: &str, bytes: &[u8], mode: u32) {
        self.add(name, bytes, mode, tar::EntryType::Regular);
    }

    fn folder(&mut self, name: &str) {
        self.add(name, &[], 0o755, tar::EntryType::Directory);
    }

    /// Adds a blob and gives its descriptor (image-spec, "descriptor.md").
    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        self.file(&blob_name(&digest), bytes, 0o644);
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    fn end(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes the end of a tar")
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read};

    use super::*;

    fn entries(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().expect("a tar");
        entries
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("its bytes");
                (entry.path().expect("its name").display().to_string(), bytes)
            })
            .collect()
    }

    fn named<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let blob = &files[&format!("blobs/sha256/{}", &digest[7..])];
        assert_eq!(self::digest(blob), digest);
        assert_eq!(descriptor["size"], blob.len());
        blob
    }

    #[test]
    fn an_archive_holds_an_image_whose_digests_agree() {
        let files = entries(&archive());
        let index: Value = serde_json::from_slice(&files["index.json"]).expect("index.json");
        let manifest: Value =
            serde_json::from_slice(named(&files, &index["manifests"][0])).expect("the manifest");
        let config: Value =
            serde_json::from_slice(named(&files, &manifest["config"])).expect("the config");
        let layers = manifest["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 2);
        for (layer, diff_id) in layers
            .iter()
            .zip(config["rootfs"]["diff_ids"].as_array().expect("diff ids"))
        {
            assert_eq!(&layer["digest"], diff_id);
            assert!(!entries(named(&files, layer)).is_empty());
        }
        let dockers: Value = serde_json::from_slice(&files["manifest.json"]).expect("its JSON");
        assert_eq!(dockers[0]["RepoTags"][0], REFERENCE);
        let named_by = |name: &Value| files[name.as_str().expect("a name")].as_slice();
        assert_eq!(
            named_by(&dockers[0]["Config"]),
            named(&files, &manifest["config"])
        );
        for (name, layer) in dockers[0]["Layers"]
            .as_array()
            .expect("layers")
            .iter()
            .zip(layers)
        {
            assert_eq!(named_by(name), named(&files, layer));
        }
        assert_eq!(archive(), archive());
    }

    #[test]
    fn the_server_needs_no_library() {
        // An ELF program without PT_INTERP asks for no loader (System V ABI, "Program Header").
        let field = |at: usize| u16::from_le_bytes([SERVER[at], SERVER[at + 1]]) as usize;
        assert_eq!(&SERVER[..4], b"\x7fELF");
        let table = u64::from_le_bytes(SERVER[32..40].try_into().expect("8 bytes")) as usize;
        let (size, count) = (field(54), field(56));
        for header in SERVER[table..table + size * count].chunks(size) {
            assert_ne!(
                u32::from_le_bytes(header[..4].try_into().expect("4 bytes")),
                3
            );
        }
    }
}
