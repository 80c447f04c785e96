//! The images that are measured with: made here, from busybox and from noise.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Layers of the large image, and the bytes of each, unpacked.
const LAYERS: usize = 8;
const LAYER: usize = 300_000_000 / LAYERS;

/// A root file system that holds busybox and nothing else, as a tar.
pub fn tiny(work: &Path) -> Result<PathBuf> {
    let busybox = fs::read("/bin/busybox").context("busybox-static is not installed")?;
    let path = work.join("tiny.tar");
    let mut tar = tar::Builder::new(File::create(&path)?);
    file(&mut tar, "bin/busybox", &busybox, 0o755)?;
    for name in ["sh", "true", "sleep"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        tar.append_link(&mut header, format!("bin/{name}"), "busybox")?;
    }
    tar.into_inner()?.sync_all()?;
    Ok(path)
}

/// An archive as `docker load` takes it: layers of many small and some large
/// files, which compress about as programs do.
pub fn layered(work: &Path) -> Result<PathBuf> {
    let path = work.join("layered.tar");
    let mut archive = tar::Builder::new(File::create(&path)?);
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let (mut names, mut digests) = (Vec::new(), Vec::new());
    for number in 0..LAYERS {
        let layer = layer(&mut noise, number)?;
        digests.push(format!("sha256:{}", hex::encode(Sha256::digest(&layer))));
        names.push(format!("{number}/layer.tar"));
        file(&mut archive, &names[number], &layer, 0o644)?;
    }
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": { "Cmd": ["/none"] },
        "rootfs": { "type": "layers", "diff_ids": digests },
        "history": vec![serde_json::json!({ "created": "2026-01-01T00:00:00Z", "created_by": "noise" }); LAYERS],
    });
    file(
        &mut archive,
        "config.json",
        config.to_string().as_bytes(),
        0o644,
    )?;
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": ["layered:latest"], "Layers": names }]);
    file(
        &mut archive,
        "manifest.json",
        manifest.to_string().as_bytes(),
        0o644,
    )?;
    archive.into_inner()?.sync_all()?;
    Ok(path)
}

fn layer(noise: &mut Noise, number: usize) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::with_capacity(LAYER + LAYER / 8));
    let (mut left, mut count) = (LAYER, 0);
    while left > 0 {
        // One file in forty is a large one, as with programs and their libraries.
        let size = if noise.next().is_multiple_of(40) {
            2_000_000
        } else {
            1_000 + noise.next() as usize % 60_000
        };
        let size = size.min(left);
        let name = format!("usr/layer{number}/{}/{count}", count / 100);
        file(&mut tar, &name, &noise.bytes(size), 0o644)?;
        left -= size;
        count += 1;
    }
    Ok(tar.into_inner()?)
}

fn file(tar: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    Ok(tar.append_data(&mut header, name, bytes)?)
}

/// Bytes that are the same at each run (xorshift64*).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// Half noise, half what repeats: gzip makes about half of it.
    fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 16);
        while bytes.len() < size {
            bytes.extend_from_slice(&self.next().to_le_bytes());
            bytes.extend_from_slice(b"\x48\x89\xe5\x41\x57\x41\x56\x41");
        }
        bytes.truncate(size);
        bytes
    }
}
