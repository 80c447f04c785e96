//! A container that does not run, seen as its processes would see it.

use super::*;

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
