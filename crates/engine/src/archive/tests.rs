//! Copying against a real file system, with a container that does its worst.

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
fn no_link_leads_out() {
    let place = Place::new();
    let up = "../".repeat(20);
    let outside = format!(
        "{up}{}",
        place.dir.path().strip_prefix("/").unwrap().display()
    );
    symlink(place.at("secret"), place.at("root/absolute")).unwrap();
    symlink(format!("{outside}/secret"), place.at("root/relative")).unwrap();
    symlink(&outside, place.at("root/folder")).unwrap();
    let root = place.root();
    for path in ["/absolute/", "/relative/.", "/folder/secret"] {
        let mut tar = Vec::new();
        assert!(pack(&root, &Asked::new(path), &mut tar).is_err(), "{path}");
        assert!(!tar.windows(7).any(|part| part == b"outside"), "{path}");
    }
    // What is unpacked through it stays inside as well.
    let archive = tar(&[
        ("out", LINK, &outside),
        ("out/secret", FILE, "overwritten"),
        ("hard", HARD, "out/secret"),
    ]);
    unpack(&root, Path::new("/"), &archive[..], Options::default()).unwrap();
    assert_eq!(
        std::fs::read_to_string(place.at("secret")).unwrap(),
        "outside"
    );
    let inside = place
        .at("root")
        .join(place.dir.path().strip_prefix("/").unwrap());
    assert_eq!(
        std::fs::read_to_string(inside.join("secret")).unwrap(),
        "overwritten"
    );
    assert_eq!(
        std::fs::read_to_string(place.at("root/hard")).unwrap(),
        "overwritten"
    );
}

#[test]
fn names_that_climb_are_refused() {
    let place = Place::new();
    let root = place.root();
    for (archive, what) in [
        (tar(&[("../secret", FILE, "x")]), "file"),
        (tar(&[("a/../../secret", FILE, "x")]), "nested"),
        (tar(&[("hard", HARD, "../secret")]), "hard link"),
    ] {
        let error = unpack(&root, Path::new("/"), &archive[..], Options::default()).unwrap_err();
        assert!(matches!(error, ArchiveError::Tar(_)), "{what}: {error}");
    }
    // An absolute name is one below the folder.
    unpack(
        &root,
        Path::new("/"),
        &tar(&[("/abs", FILE, "x")])[..],
        Options::default(),
    )
    .unwrap();
    assert!(place.at("root/abs").exists());
    assert_eq!(
        std::fs::read_to_string(place.at("secret")).unwrap(),
        "outside"
    );
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

#[test]
fn broken_archives_are_refused() {
    let place = Place::new();
    let whole = tar(&[("file", FILE, "some content")]);
    let mut wrong_sum = whole.clone();
    wrong_sum[0] ^= 1;
    let mut huge_name = tar::Header::new_gnu();
    huge_name.set_entry_type(tar::EntryType::GNULongName);
    huge_name.set_size(EXTENSION + 1);
    huge_name.set_cksum();
    let mut sparse = tar::Header::new_gnu();
    sparse.set_path("sparse").unwrap();
    sparse.set_entry_type(tar::EntryType::GNUSparse);
    sparse.set_size(0);
    sparse.set_cksum();
    let cases: [(&[u8], &str); 6] = [
        (&whole[..300], "half a header"),
        (&whole[..520], "half a file"),
        (&wrong_sum, "checksum"),
        (huge_name.as_bytes(), "a name without end"),
        (sparse.as_bytes(), "a kind that we don't do"),
        (&[b'x'; 1024], "no tar at all"),
    ];
    for (archive, what) in cases {
        let done = unpack(&place.root(), Path::new("/"), archive, Options::default());
        assert!(done.is_err(), "{what}");
    }
}

#[test]
fn a_swap_while_walking_reads_nothing_outside() {
    let place = Place::new();
    std::fs::create_dir_all(place.at("root/tree")).unwrap();
    for number in 0..50 {
        std::fs::write(place.at(&format!("root/tree/{number:02}")), "inside").unwrap();
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let root = place.root();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let victim = place.at("root/tree/25");
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::remove_file(&victim).unwrap();
                symlink(place.at("secret"), &victim).unwrap();
                std::fs::remove_file(&victim).unwrap();
                std::fs::write(&victim, "inside").unwrap();
            }
        });
        for _ in 0..100 {
            let mut tar = Vec::new();
            // The file may be gone just then; that is no error of the walk.
            pack(&root, &Asked::new("/tree"), &mut tar).unwrap();
            assert!(!tar.windows(7).any(|part| part == b"outside"));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_view_has_layers_and_mounts_and_no_host() {
    needs_root();
    let place = Place::new();
    for (path, text) in [
        ("lower/a", "low"),
        ("lower/b", "low"),
        ("upper/b", "high"),
        ("volume/v", "vol"),
    ] {
        std::fs::create_dir_all(place.at(path).parent().unwrap()).unwrap();
        std::fs::write(place.at(path), text).unwrap();
    }
    symlink("/", place.at("volume/out")).unwrap();
    let mount = |part: &str, destination: &str, read_only| Mount {
        source: place.at("volume"),
        part: part.into(),
        destination: destination.into(),
        read_only,
        recursive: true,
    };
    let mut view = place.view(Base::Layers(vec![place.at("lower"), place.at("upper")]));
    view.mounts = vec![
        mount("", "/made/on/the/way", false),
        mount("", "/fixed", true),
        mount("v", "/one-file", false),
        mount("out/v", "/through-a-link", false),
    ];
    let secret = place.at("secret");
    let scratch = view.scratch.clone();
    view.with(|root| {
        let read = |path: &str| {
            let fd = root
                .open_at(Path::new(path), rustix::fs::OFlags::RDONLY)
                .unwrap();
            let mut text = String::new();
            std::fs::File::from(fd).read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!((read("/a"), read("/b")), ("low".into(), "high".into()));
        assert_eq!(
            (read("/made/on/the/way/v"), read("/one-file")),
            ("vol".into(), "vol".into())
        );
        assert_eq!(
            read("/through-a-link"),
            "vol",
            "`/` is the volume's own root"
        );
        // The thread itself has nothing else either.
        assert!(!secret.exists() && Path::new("/a").exists());
        assert!(
            std::fs::write("/fixed/new", "").is_err(),
            "it is mounted read-only"
        );
        std::fs::write("/made/on/the/way/new", "").unwrap();
        std::fs::write("/a", "forgotten").unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            "/null",
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::RWXU,
            rustix::fs::makedev(1, 3),
        )
        .unwrap();
        assert!(
            std::fs::File::open("/null").is_err(),
            "devices can't be opened"
        );
        Ok(())
    })
    .unwrap();
    assert!(place.at("volume/new").exists() && !place.at("volume/v/x").exists());
    assert_eq!(std::fs::read_to_string(place.at("lower/a")).unwrap(), "low");
    assert_eq!(
        std::fs::read_dir(scratch).unwrap().count(),
        0,
        "nothing stays mounted"
    );
}

#[test]
fn a_stopped_container_is_written_to_in_its_upper_folder() {
    needs_root();
    let place = Place::new();
    std::fs::create_dir_all(place.at("lower/etc")).unwrap();
    for folder in ["upper", "work"] {
        std::fs::create_dir(place.at(folder)).unwrap();
    }
    let view = || {
        place.view(Base::Writable {
            lower: vec![place.at("lower")],
            upper: place.at("upper"),
            work: place.at("work"),
        })
    };
    for _ in 0..2 {
        let archive = tar(&[("file", FILE, "new")]);
        view()
            .with(|root| unpack(root, Path::new("/etc"), &archive[..], Options::default()))
            .unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(place.at("upper/etc/file")).unwrap(),
        "new"
    );
    assert!(!place.at("lower/etc/file").exists());
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

#[test]
fn what_is_mounted_in_the_way_is_not_removed() {
    needs_root();
    let place = Place::new();
    std::fs::create_dir_all(place.at("lower/srv/own")).unwrap();
    std::fs::create_dir_all(place.at("volume")).unwrap();
    std::fs::write(place.at("volume/gold"), "!").unwrap();
    let mut view = place.view(Base::Layers(vec![place.at("lower")]));
    view.mounts = vec![Mount {
        source: place.at("volume"),
        part: PathBuf::new(),
        destination: "/srv/volume".into(),
        read_only: false,
        recursive: true,
    }];
    let archive = tar(&[("srv", FILE, "in place of the folder")]);
    let done = view.with(|root| unpack(root, Path::new("/"), &archive[..], Options::default()));
    assert!(done.is_err(), "a folder that others use was replaced");
    assert!(place.at("volume/gold").exists());
}

#[test]
fn numbers_left_blank_are_zero() {
    let place = Place::new();
    let mut archive = tar(&[("file", FILE, "x")]);
    // Mode, owner, group; the content's length stays.
    archive[100..124].fill(b' ');
    archive[136..148].fill(0);
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let entry = Entries::new(&archive[..]).next_entry().unwrap().unwrap();
    let node = &entry.node;
    assert_eq!(
        (node.mode, node.uid, node.gid, node.mtime),
        (0, 0, 0, (0, 0))
    );
    unpack(
        &place.root(),
        Path::new("/"),
        &archive[..],
        Options::default(),
    )
    .unwrap();
    archive[100] = b'x';
    assert!(
        Entries::new(&archive[..]).next_entry().is_err(),
        "the sum is wrong now"
    );
}
