use std::fs;
use std::path::PathBuf;

use super::mounts::parse_mount_points;
use super::overlay::{Layers, mount_by_options};
use super::{Overlay, is_mounted, unmount};

#[test]
fn mount_points_are_unescaped() {
    let table = b"24 1 0:22 / /proc rw - proc proc rw\n\
        99 1 0:50 / /var/with\\040space\\134and\\011tab rw - overlay overlay rw\n\
        broken line\n";
    let points = parse_mount_points(table);
    assert_eq!(
        points,
        [
            PathBuf::from("/proc"),
            PathBuf::from("/var/with space\\and\ttab")
        ]
    );
}

#[test]
fn a_stray_backslash_stays() {
    let points = parse_mount_points(b"1 1 0:1 / /a\\9zz\\ rw\n");
    assert_eq!(points, [PathBuf::from("/a\\9zz\\")]);
}

/// As a kernel before 6.7 is asked; this one understands it too.
#[test]
fn options_of_one_page_hold_many_layers() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: it mounts"
    );
    let folder = tempfile::TempDir::new().unwrap();
    let long = "x".repeat(200);
    let lower: Vec<PathBuf> = (0..130)
        .map(|number| folder.path().join(format!("{long}/{long},:{number}")))
        .collect();
    for layer in &lower {
        fs::create_dir_all(layer).unwrap();
        fs::write(layer.join("top"), layer.as_os_str().as_encoded_bytes()).unwrap();
    }
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| folder.path().join(name));
    for path in [&upper, &work, &merged] {
        fs::create_dir(path).unwrap();
    }
    let overlay = Overlay {
        lower: &lower,
        upper: &upper,
        work: &work,
        merged: &merged,
        volatile: false,
    };
    let layers = Layers::open(&overlay).unwrap();
    mount_by_options(&overlay, &layers).unwrap();
    assert!(is_mounted(&merged).unwrap());
    let top = fs::read(merged.join("top"));
    unmount(&merged).unwrap();
    assert_eq!(top.unwrap(), lower[129].as_os_str().as_encoded_bytes());
}
