//! What unpacking makes of tars, good and hostile.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use gantry_image::{LayerError, Unpacked, unpack};
use tar::EntryType;

use crate::Place;
use crate::tars::Tar;

fn unpack_to(place: &Place, tar: &[u8]) -> Result<Unpacked, LayerError> {
    let into = place.path().join("layer");
    if !into.exists() {
        fs::create_dir(&into).expect("folder");
    }
    unpack(tar, &into)
}

fn layer(place: &Place) -> std::path::PathBuf {
    place.path().join("layer")
}

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    let len = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(len);
    Some(value)
}

#[test]
fn keeps_all_that_a_file_has() {
    let place = Place::new();
    let capability =
        b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let tar = Tar::default()
        .entry(EntryType::Directory, b"d/", b"", b"", |h| {
            h.set_mode(0o1777);
            h.set_uid(7);
            h.set_gid(8);
            h.set_mtime(500);
        })
        .pax(&[
            ("SCHILY.xattr.security.capability", capability),
            ("SCHILY.xattr.user.note", b"hi"),
            ("mtime", b"1234567890.5"),
        ])
        .entry(EntryType::Regular, b"d/suid", b"", b"#!", |h| {
            h.set_mode(0o6755);
            h.set_uid(1000);
            h.set_gid(100);
        })
        .hard_link("d/second", "d/suid")
        .symlink("d/sym", "/etc/passwd")
        .device("d/null", 1, 3)
        .entry(EntryType::Fifo, b"d/pipe", b"", b"", |h| h.set_mode(0o600))
        .end();
    let unpacked = unpack_to(&place, &tar).expect("unpack");
    assert_eq!(
        unpacked,
        Unpacked {
            size: 2,
            entries: 6
        }
    );
    let at = |name: &str| layer(&place).join(name);
    let dir = fs::symlink_metadata(at("d")).expect("d");
    assert_eq!(
        (dir.mode() & 0o7777, dir.uid(), dir.gid(), dir.mtime()),
        (0o1777, 7, 8, 500)
    );
    let file = fs::symlink_metadata(at("d/suid")).expect("suid");
    assert_eq!(
        (file.mode() & 0o7777, file.uid(), file.gid(), file.nlink()),
        (0o6755, 1000, 100, 2)
    );
    assert_eq!(
        (file.mtime(), file.mtime_nsec()),
        (1_234_567_890, 500_000_000)
    );
    assert_eq!(
        xattr(&at("d/suid"), "security.capability").as_deref(),
        Some(&capability[..])
    );
    assert_eq!(
        xattr(&at("d/suid"), "user.note").as_deref(),
        Some(&b"hi"[..])
    );
    assert_eq!(
        fs::read_link(at("d/sym")).expect("sym"),
        Path::new("/etc/passwd")
    );
    let null = fs::symlink_metadata(at("d/null")).expect("null");
    assert!(null.file_type().is_char_device());
    assert_eq!(null.rdev(), rustix::fs::makedev(1, 3));
    assert!(
        fs::symlink_metadata(at("d/pipe"))
            .expect("pipe")
            .file_type()
            .is_fifo()
    );
}

#[test]
fn whiteouts_become_overlayfs_ones() {
    let place = Place::new();
    let tar = Tar::default()
        .file("a/.wh.gone", "")
        .file("b/.wh..wh..opq", "")
        .file("b/new", "x")
        .file(".wh..wh.plnk", "")
        .dir("replaced/")
        .file(".wh.replaced", "")
        .file(".wh.late", "")
        .file("late/file", "y")
        .end();
    unpack_to(&place, &tar).expect("unpack");
    let gone = fs::symlink_metadata(layer(&place).join("a/gone")).expect("whiteout");
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    for opaque in ["b", "replaced", "late"] {
        assert_eq!(
            xattr(&layer(&place).join(opaque), "trusted.overlay.opaque").as_deref(),
            Some(&b"y"[..]),
            "{opaque}"
        );
    }
    assert!(!layer(&place).join(".wh..wh.plnk").exists());
    assert_eq!(
        fs::read(layer(&place).join("late/file")).expect("file"),
        b"y"
    );
}

#[test]
fn nothing_leaves_the_folder() {
    for (what, tar) in [
        ("climbing", Tar::default().file("../out", "x")),
        ("climbing later", Tar::default().file("a/../../out", "x")),
        (
            "climbing from the root",
            Tar::default().file("/../out", "x"),
        ),
        (
            "hard link to outside",
            Tar::default().hard_link("in", "../secret"),
        ),
        (
            "hard link by absolute name",
            Tar::default().hard_link("in", "/secret"),
        ),
        (
            "hard link through a symlink",
            Tar::default()
                .symlink("up", "..")
                .hard_link("in", "up/secret"),
        ),
        (
            "whiteout of the parent",
            Tar::default().file("a/.wh...", ""),
        ),
        ("whiteout of itself", Tar::default().file("a/.wh..", "")),
        ("whiteout of nothing", Tar::default().file("a/.wh.", "")),
        (
            "file over the root",
            Tar::default().file("./", "").file(".", "x"),
        ),
        (
            "hard link to a folder",
            Tar::default().dir("d/").hard_link("in", "d"),
        ),
        ("hard link to itself", Tar::default().hard_link("in", "in")),
        (
            "unknown type",
            Tar::default().entry(EntryType::new(b'Z'), b"z", b"", b"", |_| ()),
        ),
    ] {
        let place = Place::new();
        fs::write(place.path().join("secret"), "secret").expect("secret");
        assert!(unpack_to(&place, &tar.end()).is_err(), "{what}");
        assert!(!place.path().join("out").exists(), "{what}");
        assert_eq!(
            fs::metadata(place.path().join("secret"))
                .expect("secret")
                .nlink(),
            1,
            "{what}"
        );
    }
}

#[test]
fn symlinks_lead_within_the_layer_as_in_a_chroot() {
    let place = Place::new();
    fs::create_dir(place.path().join("target")).expect("target");
    let tar = Tar::default()
        .dir("etc/")
        .symlink("up", "../../../../..")
        .symlink("abs", "/etc")
        .file("up/through", "1")
        .file("abs/passwd", "2")
        .symlink("file-link", "/abs/passwd")
        .file("file-link", "replaces the link, not its target")
        .symlink("target", "../target")
        .dir("target/")
        .file("target/inner", "3")
        .end();
    unpack_to(&place, &tar).expect("unpack");
    let read = |name: &str| fs::read_to_string(layer(&place).join(name)).expect(name);
    assert_eq!(
        (read("through"), read("etc/passwd")),
        ("1".into(), "2".into())
    );
    assert_eq!(read("target/inner"), "3");
    assert!(
        layer(&place)
            .join("file-link")
            .symlink_metadata()
            .expect("file")
            .is_file()
    );
    assert_eq!(
        fs::read_dir(place.path().join("target"))
            .expect("target")
            .count(),
        0
    );
}

#[test]
fn absolute_names_are_taken_from_the_root_of_the_layer() {
    let place = Place::new();
    let tar = Tar::default()
        .file("/gantry-test-absolute", "x")
        .file("./a//b/./c", "y")
        .unfinished();
    unpack_to(&place, &tar).expect("unpack");
    assert!(layer(&place).join("gantry-test-absolute").is_file());
    assert!(layer(&place).join("a/b/c").is_file());
    assert!(!Path::new("/gantry-test-absolute").exists());
}

#[test]
fn the_later_of_two_wins() {
    let place = Place::new();
    let tar = Tar::default()
        .file("a", "first")
        .file("a", "second")
        .dir("d/")
        .file("d/deep/er/file", "x")
        .file("d", "a file now")
        .file("f", "x")
        .dir("f/")
        .dir("m/")
        .file("m/kept", "x")
        .entry(EntryType::Directory, b"m/", b"", b"", |h| h.set_mode(0o700))
        .end();
    unpack_to(&place, &tar).expect("unpack");
    assert_eq!(
        fs::read_to_string(layer(&place).join("a")).expect("a"),
        "second"
    );
    assert_eq!(
        fs::read_to_string(layer(&place).join("d")).expect("d"),
        "a file now"
    );
    assert!(layer(&place).join("f").is_dir() && layer(&place).join("m/kept").is_file());
    assert_eq!(
        fs::metadata(layer(&place).join("m"))
            .expect("m")
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}

#[test]
fn sparse_files_take_no_space() {
    let place = Place::new();
    let tar = Tar::default()
        .pax(&[
            ("GNU.sparse.size", b"1073741824"),
            ("GNU.sparse.map", b"0,4,1073741820,4"),
            ("GNU.sparse.name", b"big"),
        ])
        .file("GNUSparseFile.0/big", "headtail")
        .end();
    let unpacked = unpack_to(&place, &tar).expect("unpack");
    let meta = fs::metadata(layer(&place).join("big")).expect("big");
    assert_eq!((unpacked.size, meta.len()), (1 << 30, 1 << 30));
    assert!(meta.blocks() < 64, "{} blocks", meta.blocks());
}

#[test]
fn overlayfs_attributes_of_a_tar_are_not_taken() {
    let place = Place::new();
    let tar = Tar::default()
        .pax(&[
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.trusted.other", b"1"),
        ])
        .dir("d/")
        .end();
    unpack_to(&place, &tar).expect("unpack");
    assert_eq!(
        xattr(&layer(&place).join("d"), "trusted.overlay.redirect"),
        None
    );
    assert_eq!(
        xattr(&layer(&place).join("d"), "trusted.other").as_deref(),
        Some(&b"1"[..])
    );
}

#[test]
fn very_deep_folders_are_made_and_replaced() {
    let place = Place::new();
    let deep = "d/".repeat(200);
    let mut tar = Tar::default();
    for _ in 0..3 {
        let name = format!("{deep}file");
        tar = tar.pax(&[("path", name.as_bytes())]).file("x", "x");
    }
    // Below a link the path goes on where it ended.
    let down = format!("/{}", &deep[..398]);
    tar = tar
        .pax(&[("linkpath", down.as_bytes())])
        .symlink("down", "x");
    tar = tar
        .pax(&[("path", format!("down/{deep}file").as_bytes())])
        .file("x", "x");
    let made = tar.unfinished();
    unpack_to(
        &place,
        &[made.clone(), Tar::default().file("d", "a file now").end()].concat(),
    )
    .expect("unpack");
    assert!(layer(&place).join("d").is_file());
    fs::remove_dir_all(layer(&place)).expect("remove");
    unpack_to(&place, &[made, Tar::default().end()].concat()).expect("unpack");
}

#[test]
fn names_in_errors_are_fit_to_be_shown() {
    let place = Place::new();
    let error =
        unpack_to(&place, &Tar::default().file("../a\u{1b}[31m\n", "x").end()).expect_err("climbs");
    let text = error.to_string();
    assert!(
        text.contains("leads out of the layer") && !text.contains(char::is_control),
        "{text:?}"
    );
}

#[test]
fn files_without_end_leave_the_disk_its_reserve() {
    let place = Place::new();
    let _disk = crate::SmallDisk::on(layer(&place), c"size=256m,nr_inodes=40000");
    // Folders that are only implied take as much room as others.
    let mut tar = Tar::default();
    for n in 0..30_000 {
        tar = tar.file(&format!("{n}/{n}"), "");
    }
    let error = unpack_to(&place, &tar.end()).expect_err("no room for all");
    let left = rustix::fs::statvfs(layer(&place))
        .expect("statvfs")
        .f_favail;
    assert!(matches!(error, LayerError::NoSpace), "{error}");
    assert!(left > 0, "not one file more could be made");
}

#[test]
fn more_attributes_than_any_file_has_are_refused() {
    let place = Place::new();
    let names: Vec<String> = (0..2000)
        .map(|n| format!("SCHILY.xattr.user.{n}"))
        .collect();
    let records: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &b"1"[..])).collect();
    let error =
        unpack_to(&place, &Tar::default().pax(&records).file("f", "").end()).expect_err("too many");
    assert!(matches!(error, LayerError::TooMuch { .. }), "{error}");
}

#[test]
fn sparse_files_of_any_size_add_up() {
    let place = Place::new();
    // It has files of 8 EiB.
    let _disk = crate::SmallDisk::on(layer(&place), c"size=16m");
    let huge = (i64::MAX as u64 / 4096 * 4096).to_string();
    let mut tar = Tar::default();
    for name in ["a", "b", "c"] {
        let records = [
            ("GNU.sparse.size", huge.as_bytes()),
            ("GNU.sparse.map", b"0,1"),
            ("GNU.sparse.name", name.as_bytes()),
        ];
        tar = tar.pax(&records).file("x", "x");
    }
    let unpacked = unpack_to(&place, &tar.end());
    assert_eq!(unpacked.expect("unpack").size, i64::MAX as u64);
}
