//! Overlay roots against the kernel of this machine.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use gantry_runtime::rootfs::{
    Overlay, RootfsError, Size, is_mounted, mount, mounted_below, size, unmount, unmount_below,
};
use tempfile::TempDir;

/// A container's folders; unmounted and removed when dropped.
struct Folders(TempDir);

impl Folders {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests need root: they mount"
        );
        Self(TempDir::new().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn layer(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let layer = self.at(name);
        fs::create_dir_all(&layer).unwrap();
        for (file, text) in files {
            fs::write(layer.join(file), text).unwrap();
        }
        layer
    }

    fn mount(&self, lower: &[PathBuf]) -> Result<PathBuf, RootfsError> {
        self.mount_so(lower, false)
    }

    fn mount_so(&self, lower: &[PathBuf], volatile: bool) -> Result<PathBuf, RootfsError> {
        let (upper, work, merged) = (self.at("c/upper"), self.at("c/work"), self.at("c/merged"));
        mount(&Overlay {
            lower,
            upper: &upper,
            work: &work,
            merged: &merged,
            volatile,
        })?;
        Ok(merged)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        let failed = unmount_below(self.0.path(), |_| false);
        assert!(failed.is_empty() || std::thread::panicking(), "{failed:?}");
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_volatile_root_can_be_mounted_again() {
    let folders = Folders::new();
    let lower = [folders.layer("1", &[("low", "low")])];
    for round in ["first", "second"] {
        let merged = folders.mount_so(&lower, true).unwrap();
        fs::write(merged.join(round), "mine").unwrap();
        unmount(&merged).unwrap();
    }
    let merged = folders.mount_so(&lower, true).unwrap();
    assert_eq!(text(&merged.join("first")), "mine");
    assert_eq!(text(&merged.join("second")), "mine");
}

#[test]
fn upper_layers_hide_lower_ones() {
    let folders = Folders::new();
    let lower = [
        folders.layer("1", &[("both", "low"), ("low", "low")]),
        folders.layer("2", &[("both", "high"), ("high", "high")]),
    ];
    let merged = folders.mount(&lower).unwrap();
    assert!(is_mounted(&merged).unwrap());
    assert_eq!(text(&merged.join("both")), "high");
    assert_eq!(text(&merged.join("low")), "low");
    fs::write(merged.join("new"), "mine").unwrap();
    fs::remove_file(merged.join("low")).unwrap();
    assert_eq!(text(&folders.at("c/upper/new")), "mine");
    assert!(
        fs::symlink_metadata(folders.at("c/upper/low"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
    assert_eq!(
        text(&folders.at("1/low")),
        "low",
        "an image is never written"
    );
}

#[test]
fn mounting_twice_and_unmounting_twice_are_fine() {
    let folders = Folders::new();
    let lower = [folders.layer("1", &[("a", "1")])];
    let merged = folders.mount(&lower).unwrap();
    assert_eq!(folders.mount(&lower).unwrap(), merged);
    assert_eq!(
        mounted_below(&folders.at("c")).unwrap(),
        std::slice::from_ref(&merged)
    );
    unmount(&merged).unwrap();
    assert!(!is_mounted(&merged).unwrap());
    unmount(&merged).unwrap();
    unmount(&folders.at("never")).unwrap();
    assert!(!is_mounted(&folders.at("never")).unwrap());
    // What was written is there again.
    fs::write(folders.at("c/upper/kept"), "yes").unwrap();
    assert_eq!(text(&folders.mount(&lower).unwrap().join("kept")), "yes");
}

#[test]
fn many_layers_with_long_names() {
    let folders = Folders::new();
    let long = "x".repeat(200);
    let lower: Vec<_> = (0..200)
        .map(|number| {
            folders.layer(
                &format!("{long}/{long},:\\ {number}"),
                &[(&format!("f{number}"), "x"), ("top", &number.to_string())],
            )
        })
        .collect();
    let merged = folders.mount(&lower).unwrap();
    assert_eq!(fs::read_dir(&merged).unwrap().count(), 201);
    assert_eq!(text(&merged.join("top")), "199");
}

#[test]
fn a_layer_may_come_twice_and_none_at_all() {
    let folders = Folders::new();
    let (a, b) = (
        folders.layer("a", &[("f", "a")]),
        folders.layer("b", &[("f", "b")]),
    );
    let merged = folders.mount(&[a.clone(), b, a]).unwrap();
    assert_eq!(text(&merged.join("f")), "a");
    let empty = Folders::new();
    let merged = empty.mount(&[]).unwrap();
    assert_eq!(fs::read_dir(&merged).unwrap().count(), 0);
    fs::write(merged.join("f"), "x").unwrap();
}

#[test]
fn a_missing_layer_is_named() {
    let folders = Folders::new();
    let error = folders.mount(&[folders.at("missing")]).unwrap_err();
    assert!(
        matches!(&error, RootfsError::Layer { path, .. } if *path == folders.at("missing")),
        "{error}"
    );
    assert!(!is_mounted(&folders.at("c/merged")).unwrap());
}

#[test]
fn a_root_in_use_is_detached() {
    let folders = Folders::new();
    let merged = folders.mount(&[folders.layer("1", &[("a", "1")])]).unwrap();
    let open = File::create(merged.join("busy")).unwrap();
    unmount(&merged).unwrap();
    assert!(!is_mounted(&merged).unwrap());
    drop(open);
    fs::remove_dir(&merged).unwrap();
}

#[test]
fn tidying_spares_what_is_to_be_kept() {
    let folders = Folders::new();
    let lower = [folders.layer("1", &[])];
    let mounted: Vec<_> = ["a", "b"]
        .iter()
        .map(|name| {
            let merged = folders.at(&format!("{name}/merged"));
            let (upper, work) = (
                folders.at(&format!("{name}/upper")),
                folders.at(&format!("{name}/work")),
            );
            mount(&Overlay {
                lower: &lower,
                upper: &upper,
                work: &work,
                merged: &merged,
                volatile: false,
            })
            .unwrap();
            merged
        })
        .collect();
    assert!(unmount_below(folders.0.path(), |point| point == mounted[0]).is_empty());
    assert!(is_mounted(&mounted[0]).unwrap());
    assert!(!is_mounted(&mounted[1]).unwrap());
}

#[test]
fn size_counts_what_is_there_and_follows_no_link() {
    let folders = Folders::new();
    let root = folders.at("tree");
    assert_eq!(size(&root).unwrap(), Size::default());
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("d/file"), [0; 1000]).unwrap();
    fs::hard_link(root.join("d/file"), root.join("d/e/again")).unwrap();
    symlink("/usr", root.join("out")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(5000).unwrap();
    assert_eq!(
        size(&root).unwrap(),
        Size {
            bytes: 1000 + 4 + 5000,
            entries: 6
        }
    );
    // The root itself may be no link either.
    symlink(&root, folders.at("link")).unwrap();
    assert!(size(&folders.at("link")).is_err());
    assert_eq!(fs::metadata(root.join("d/file")).unwrap().nlink(), 2);
}
