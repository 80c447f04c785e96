use std::path::PathBuf;

use super::mounts::parse_mount_points;

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
