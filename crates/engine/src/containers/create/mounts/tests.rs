//! What binds, mounts and options may look like.

use gantry_api::models::{Mount, MountType};

use super::bind::parse_bind;
use super::mount::parse_mount;
use super::tmpfs::{TmpfsOptions, tmpfs_options};
use crate::containers::MountKind;

#[test]
fn binds_name_paths_or_volumes() {
    let bind = parse_bind("/srv:/data//x/../y:ro,rslave").unwrap();
    assert_eq!(
        (bind.kind, bind.destination.as_str(), bind.read_only),
        (MountKind::Bind, "/data/y", true)
    );
    assert_eq!(bind.propagation, "rslave");
    let volume = parse_bind("cache:/cache:nocopy").unwrap();
    assert_eq!(
        (volume.kind, volume.volume.as_str(), volume.no_copy),
        (MountKind::Volume, "cache", true)
    );
    assert!(parse_bind("/data").unwrap().anonymous);
    for text in [
        "",
        ":/x",
        "/a:",
        "/a:x",
        "/a:/",
        "/a:/b:bad",
        "/a:/b:ro:x",
        "a/b:/c",
        "vol:/x:rslave",
        "/a:/b:nocopy",
    ] {
        assert!(parse_bind(text).is_err(), "{text}");
    }
}

#[test]
fn mounts_say_what_is_wrong_with_them() {
    let mount = |typ, source: &str, target: &str| Mount {
        typ: Some(typ),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        ..Mount::default()
    };
    let says = |mount: Mount| parse_mount(&mount).unwrap_err().to_string();
    assert!(
        says(mount(MountType::BIND, "/no/such/path", "/x"))
            .contains("bind source path does not exist")
    );
    assert!(says(mount(MountType::BIND, "", "/x")).contains("Source must not be empty"));
    assert!(says(mount(MountType::VOLUME, "v", "")).contains("Target must not be empty"));
    assert!(says(mount(MountType::TMPFS, "/x", "/x")).contains("Source must not be specified"));
    assert!(says(mount(MountType::NPIPE, "", "/x")).contains("not supported"));
}

#[test]
fn tmpfs_options_are_taken_apart() {
    let options = tmpfs_options("/t", "size=64m,mode=755,noexec").unwrap();
    assert_eq!(
        options,
        TmpfsOptions {
            size: Some(64 << 20),
            mode: Some(0o755),
            rest: vec!["noexec".to_owned()]
        }
    );
    for text in ["size=x", "mode=9", "size=99999999999g"] {
        assert!(tmpfs_options("/t", text).is_err(), "{text}");
    }
}
