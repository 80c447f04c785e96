//! Copying against a real file system, with a container that does its worst.

mod hostile;
mod view;

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::entries::{EXTENSION, Entries};
use super::node::Kind;
use super::pack::{Asked, pack, pack_all};
use super::root::Root;
use super::stat::stat;
use super::unpack::{Options, unpack};
use super::view::{Base, Mount, View};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A folder `root`, and `secret` outside it.
    fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(place.at("root")).unwrap();
        std::fs::write(place.at("secret"), "outside").unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn root(&self) -> Root {
        Root::open(&self.at("root")).unwrap()
    }

    fn view(&self, base: Base) -> View {
        let scratch = self.at("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        View {
            base,
            mounts: Vec::new(),
            scratch,
        }
    }
}

fn needs_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test changes owners and mounts: run it as root"
    );
}

fn packed(root: &Root, path: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    pack(root, &Asked::new(path), &mut tar).unwrap();
    tar
}

/// Names and kinds.
fn listed(tar: &[u8]) -> Vec<(String, Kind)> {
    let mut entries = Entries::new(tar);
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        found.push((entry.path.display().to_string(), entry.node.kind));
    }
    found
}

fn names(tar: &[u8]) -> Vec<String> {
    listed(tar).into_iter().map(|(name, _)| name).collect()
}

/// A tar of entries whose names and links are taken as they are.
fn tar(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1000);
        let is_file = *kind == tar::EntryType::Regular;
        if is_file {
            header.set_size(content.len() as u64);
        } else {
            header.set_size(0);
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        if is_file {
            out.extend_from_slice(content.as_bytes());
            out.resize(out.len().next_multiple_of(512), 0);
        }
    }
    out.resize(out.len() + 1024, 0);
    out
}

const FILE: tar::EntryType = tar::EntryType::Regular;
const FOLDER: tar::EntryType = tar::EntryType::Directory;
const LINK: tar::EntryType = tar::EntryType::Symlink;
const HARD: tar::EntryType = tar::EntryType::Link;

#[test]
fn a_tree_survives_the_journey() {
    needs_root();
    let place = Place::new();
    let from = place.at("root/from");
    std::fs::create_dir_all(from.join("deep")).unwrap();
    let long = "l".repeat(200);
    std::fs::write(from.join("deep").join(&long), "long").unwrap();
    std::fs::write(from.join("file"), vec![7; 70_000]).unwrap();
    std::fs::hard_link(from.join("file"), from.join("same")).unwrap();
    symlink("/etc/passwd", from.join("link")).unwrap();
    symlink(&long, from.join("long-link")).unwrap();
    std::os::unix::fs::chown(from.join("file"), Some(1234), Some(70_000_000)).unwrap();
    std::fs::set_permissions(from.join("file"), std::fs::Permissions::from_mode(0o4711)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        from.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0];
    for (name, value) in [
        ("user.note", &b"a\nb=c"[..]),
        ("security.capability", &capability),
    ] {
        rustix::fs::setxattr(
            from.join("deep").join(&long),
            name,
            value,
            rustix::fs::XattrFlags::empty(),
        )
        .unwrap();
    }
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    for path in [from.join("file"), from.clone()] {
        std::fs::File::open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    let root = place.root();
    let archive = packed(&root, "/from");
    std::fs::create_dir(place.at("root/to")).unwrap();
    unpack(&root, Path::new("/to"), &archive[..], Options::default()).unwrap();

    let to = place.at("root/to/from");
    let file = to.join("file").symlink_metadata().unwrap();
    assert_eq!(
        (file.uid(), file.gid(), file.mode() & 0o7777),
        (1234, 70_000_000, 0o4711)
    );
    assert_eq!((file.mtime(), file.len()), (1_000_000, 70_000));
    assert_eq!(to.metadata().unwrap().mtime(), 1_000_000);
    assert_eq!(file.ino(), to.join("same").metadata().unwrap().ino());
    assert_eq!(
        std::fs::read_link(to.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert_eq!(
        std::fs::read_link(to.join("long-link")).unwrap(),
        Path::new(&long)
    );
    assert_eq!(
        std::fs::read_to_string(to.join("deep").join(&long)).unwrap(),
        "long"
    );
    for (name, expected) in [
        ("user.note", &b"a\nb=c"[..]),
        ("security.capability", &capability),
    ] {
        let mut value = [0_u8; 64];
        let length =
            rustix::fs::getxattr(to.join("deep").join(&long), name, &mut value[..]).unwrap();
        assert_eq!(&value[..length], expected, "{name}");
    }
    assert_eq!(listed(&archive), listed(&packed(&root, "/to/from")));
}

#[test]
fn names_are_what_docker_cp_expects() {
    let place = Place::new();
    std::fs::create_dir_all(place.at("root/etc/ssl")).unwrap();
    std::fs::write(place.at("root/etc/passwd"), "").unwrap();
    symlink("etc", place.at("root/conf")).unwrap();
    let root = place.root();
    let names = |path: &str| names(&packed(&root, path));
    assert_eq!(names("/etc"), ["etc/", "etc/passwd", "etc/ssl/"]);
    assert_eq!(names("etc/"), ["etc/", "etc/passwd", "etc/ssl/"]);
    assert_eq!(names("/etc/."), ["./", "./passwd", "./ssl/"]);
    assert_eq!(names("/x/../etc/passwd"), ["passwd"]);
    assert_eq!(names("/conf"), ["conf"]);
    assert_eq!(names("/conf/"), ["conf/", "conf/passwd", "conf/ssl/"]);
    assert_eq!(names("/conf/passwd"), ["passwd"]);
    assert_eq!(
        names("/"),
        ["/", "/conf", "/etc/", "/etc/passwd", "/etc/ssl/"]
    );
    let mut all = Vec::new();
    pack_all(&root, &mut all).unwrap();
    assert_eq!(
        self::names(&all),
        ["conf", "etc/", "etc/passwd", "etc/ssl/"]
    );
}

#[test]
fn a_path_is_described() {
    let place = Place::new();
    std::fs::create_dir(place.at("root/dir")).unwrap();
    symlink("/dir/../dir", place.at("root/link")).unwrap();
    let root = place.root();
    let look = |path: &str| stat(&root, &Asked::new(path));
    let link = look("/link").unwrap();
    assert_eq!(
        (link.name.as_str(), link.link_target.as_str()),
        ("link", "/dir")
    );
    assert_eq!(link.mode & 1 << 27, 1 << 27);
    let dir = look("/link/").unwrap();
    assert_eq!((dir.name.as_str(), dir.link_target.as_str()), ("link", ""));
    assert_eq!(dir.mode & 1 << 31, 1 << 31);
    assert_eq!(look("/").unwrap().name, "/");
    assert!(look("/nothing").unwrap_err().is_missing());
    assert!(look("/link/nothing/more").unwrap_err().is_missing());
}

#[test]
fn kinds_are_kept_where_that_was_asked() {
    let place = Place::new();
    std::fs::create_dir_all(place.at("root/folder/full")).unwrap();
    std::fs::write(place.at("root/file"), "").unwrap();
    let root = place.root();
    let keep = Options {
        keep_kinds: true,
        owner: None,
    };
    let put = |archive: &[u8], options| unpack(&root, Path::new("/"), archive, options);
    let (file, folder) = (tar(&[("folder", FILE, "x")]), tar(&[("file", FOLDER, "")]));
    assert!(matches!(
        put(&file, keep),
        Err(ArchiveError::FolderInTheWay { .. })
    ));
    assert!(matches!(
        put(&folder, keep),
        Err(ArchiveError::FileInTheWay { .. })
    ));
    put(&file, Options::default()).unwrap();
    put(&folder, Options::default()).unwrap();
    assert!(place.at("root/folder").is_file() && place.at("root/file").is_dir());
    let error = unpack(&root, Path::new("/folder"), &file[..], keep).unwrap_err();
    assert!(matches!(error, ArchiveError::NotAFolder), "{error}");
}

#[test]
fn everything_can_become_one_users() {
    needs_root();
    let place = Place::new();
    let options = Options {
        keep_kinds: false,
        owner: Some((33, 34)),
    };
    let archive = tar(&[("d", FOLDER, ""), ("d/f", FILE, "x"), ("l", LINK, "d")]);
    unpack(&place.root(), Path::new("/"), &archive[..], options).unwrap();
    for path in ["root/d", "root/d/f", "root/l"] {
        let found = place.at(path).symlink_metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), (33, 34), "{path}");
    }
}

proptest::proptest! {
    /// Whatever is damaged, it is an error or an archive, never a panic, and nothing is written outside.
    #[test]
    fn damaged_archives_do_no_harm(
        damage in proptest::collection::vec((0_usize..4096, proptest::prelude::any::<u8>()), 0..12),
        mend in proptest::prelude::any::<bool>(),
    ) {
        let place = Place::new();
        let mut archive = tar(&[
            ("d", FOLDER, ""),
            ("d/f", FILE, "content"),
            ("l", LINK, "../../secret"),
            ("l2", HARD, "d/f"),
            ("l/x", FILE, "x"),
        ]);
        for (at, byte) in damage {
            let at = at % archive.len();
            archive[at] = byte;
        }
        if mend {
            for block in archive.chunks_exact_mut(512) {
                let mut header = tar::Header::from_byte_slice(block).clone();
                if block.iter().any(|byte| *byte != 0) {
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
        }
        let _ = unpack(&place.root(), Path::new("/"), &archive[..], Options::default());
        let outside = std::fs::read_to_string(place.at("secret")).unwrap();
        proptest::prop_assert_eq!(outside, "outside");
        let beside = std::fs::read_dir(place.dir.path()).unwrap().count();
        proptest::prop_assert_eq!(beside, 2);
    }
}
