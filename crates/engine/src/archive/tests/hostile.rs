//! What must not lead out, and what is no archive.

use super::*;

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
