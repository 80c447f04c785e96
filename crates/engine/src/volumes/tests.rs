use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Create, Source, VolumeError, VolumeName, Volumes};
use crate::events::Events;
use crate::store::Store;
use crate::store::volumes as rows;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn open(&self) -> Arc<Volumes> {
        let store = Store::open(&self.at("gantry.db")).unwrap();
        Volumes::open(
            &self.at("volumes"),
            &self.at("scratch"),
            store,
            Arc::default(),
        )
        .unwrap()
    }
}

fn named(name: &str) -> Create {
    Create::new(Some(name.parse().unwrap()))
}

fn nobody(_: &VolumeName) -> Vec<String> {
    Vec::new()
}

#[test]
fn a_volume_outlives_the_engine() {
    let place = Place::new();
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    {
        let volumes = place.open();
        let create = Create {
            labels: labels.clone(),
            ..named("data")
        };
        let hold = volumes.create(&create).unwrap();
        std::fs::write(hold.data().join("file"), "kept").unwrap();
        volumes.create(&Create::new(None)).unwrap();
    }
    let volumes = place.open();
    assert_eq!(volumes.list().len(), 2);
    let volume = volumes.get("data").unwrap();
    assert_eq!(volume.labels, labels);
    assert!(!volume.anonymous);
    assert_eq!(
        std::fs::read_to_string(volumes.data(&volume.name).join("file")).unwrap(),
        "kept"
    );
    assert!(volumes.list().iter().any(|volume| volume.anonymous));
}

#[test]
fn a_name_means_one_volume() {
    let place = Place::new();
    let volumes = place.open();
    let first = volumes.create(&named("data")).unwrap();
    let second = volumes.create(&named("data")).unwrap();
    assert_eq!(first.volume(), second.volume());
    assert_eq!(volumes.list().len(), 1);
}

#[test]
fn what_is_used_or_held_is_not_removed() {
    let place = Place::new();
    let volumes = place.open();
    let hold = volumes.create(&named("data")).unwrap();
    assert!(matches!(
        volumes.remove("data", true, nobody),
        Err(VolumeError::Held(_))
    ));
    drop(hold);
    let error = volumes
        .remove("data", true, |_| vec!["abc".to_owned()])
        .unwrap_err();
    assert_eq!(error.to_string(), "remove data: volume is in use - [abc]");
    volumes.remove("data", false, nobody).unwrap();
    assert!(matches!(
        volumes.remove("data", false, nobody),
        Err(VolumeError::NotFound(_))
    ));
    volumes.remove("data", true, nobody).unwrap();
    assert_eq!(std::fs::read_dir(place.at("volumes")).unwrap().count(), 0);
}

#[test]
fn pruning_takes_what_is_wanted_and_unused() {
    let place = Place::new();
    let volumes = place.open();
    for name in ["one", "two", "three"] {
        let hold = volumes.create(&named(name)).unwrap();
        std::fs::write(hold.data().join("file"), "12345").unwrap();
    }
    let removed = volumes.prune(
        |volume| volume.name.as_str() != "one",
        |name| {
            if name.as_str() == "two" {
                vec!["c".to_owned()]
            } else {
                Vec::new()
            }
        },
    );
    let names: Vec<&str> = removed.names.iter().map(VolumeName::as_str).collect();
    assert_eq!((names, removed.bytes), (vec!["three"], 5));
}

#[test]
fn a_start_repairs_what_a_crash_left() {
    let place = Place::new();
    drop(place.open().create(&named("row-only")).unwrap());
    let gone = place.open().create(&named("half-gone")).unwrap();
    std::fs::write(gone.data().join("file"), "not wanted any more").unwrap();
    std::fs::remove_dir_all(place.at("volumes/row-only")).unwrap();
    // Removed in the store, and then killed.
    let store = Store::open(&place.at("gantry.db")).unwrap();
    store
        .write_now(|transaction| rows::delete(transaction, &gone.volume().name))
        .unwrap();
    std::fs::create_dir_all(place.at("volumes/.removed-0123456789abcdef-gone/_data")).unwrap();
    std::fs::create_dir_all(place.at("volumes/half-made/_data")).unwrap();
    std::fs::create_dir_all(place.at("volumes/treasure/_data")).unwrap();
    std::fs::write(place.at("volumes/treasure/_data/gold"), "!").unwrap();
    std::fs::create_dir_all(place.at("volumes/treasure/_fresh/half")).unwrap();
    // Killed while a whole copy was moved in, beside a container that wrote.
    for name in ["gold", "silver", "bronze/coin"] {
        let file = place.at("volumes/treasure/_whole").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "?").unwrap();
    }

    let volumes = place.open();
    let read = |name: &str| {
        std::fs::read_to_string(place.at("volumes/treasure/_data").join(name)).unwrap()
    };
    assert_eq!(
        (&*read("gold"), &*read("silver"), &*read("bronze/coin")),
        ("!", "?", "?")
    );
    assert!(!place.at("volumes/treasure/_whole").exists());
    let names: Vec<String> = volumes
        .list()
        .iter()
        .map(|volume| volume.name.to_string())
        .collect();
    assert_eq!(names, ["row-only", "treasure"]);
    assert!(place.at("volumes/row-only/_data").is_dir());
    assert!(!place.at("volumes/half-made").exists());
    assert!(!place.at("volumes/treasure/_fresh").exists());
    assert_eq!(std::fs::read_dir(place.at("volumes")).unwrap().count(), 2);

    // A name that is used again is none that is leaving.
    let again = volumes.create(&named("half-gone")).unwrap();
    std::fs::write(again.data().join("file"), "new").unwrap();
    drop((again, volumes));
    assert!(place.open().get("half-gone").is_ok());
    assert!(place.at("volumes/half-gone/_data/file").exists());
}

#[test]
fn all_is_written_down_or_nothing() {
    let place = Place::new();
    let volumes = place.open();
    let fails = |_: &rusqlite::Transaction<'_>| Err(crate::store::StoreError::Cancelled);
    let both = [named("one"), Create::new(None)];
    volumes.create_all(&both, fails).unwrap_err();
    assert_eq!(volumes.list(), []);
    assert_eq!(std::fs::read_dir(place.at("volumes")).unwrap().count(), 0);

    let holds = volumes.create_all(&both, |_| Ok(())).unwrap();
    assert_eq!((holds.len(), volumes.list().len()), (2, 2));
    let names: Vec<String> = both.iter().map(|create| create.name.to_string()).collect();
    drop(holds);
    volumes.forget_all(&names, nobody, fails).unwrap_err();
    assert_eq!(volumes.list().len(), 2);
    let used = |name: &VolumeName| match name.as_str() {
        "one" => vec!["abc".to_owned()],
        _ => Vec::new(),
    };
    let trash = volumes.forget_all(&names, used, |_| Ok(())).unwrap();
    assert_eq!((trash.len(), volumes.list().len()), (1, 1));
}

#[test]
fn other_drivers_are_refused() {
    let place = Place::new();
    let create = Create {
        driver: "cloud".to_owned(),
        ..named("data")
    };
    let error = place.open().create(&create).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error looking up volume plugin cloud: plugin \"cloud\" not found"
    );
}

#[test]
fn a_deep_and_hostile_tree_is_removed() {
    let place = Place::new();
    let outside = place.at("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "kept").unwrap();
    let volumes = place.open();
    let data = volumes.create(&named("data")).unwrap().data();
    symlink(&outside, data.join("out")).unwrap();
    let mut at =
        rustix::fs::open(&data, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::RWXU).unwrap();
        at = rustix::fs::openat(
            &at,
            "d",
            rustix::fs::OFlags::PATH,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
    }
    volumes.remove("data", false, nobody).unwrap();
    assert!(outside.join("file").exists());
    assert_eq!(std::fs::read_dir(place.at("volumes")).unwrap().count(), 0);
}

/// Two layers: the upper one hides a file, and a link in it leads to the folder.
fn image(place: &Place) -> Vec<PathBuf> {
    let (lower, upper) = (place.at("l1"), place.at("l2"));
    let write = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(&lower.join("srv/www/index"), "hello");
    write(&lower.join("srv/www/deep/page"), "page");
    std::fs::hard_link(lower.join("srv/www/index"), lower.join("srv/www/deep/same")).unwrap();
    symlink("/etc/passwd", lower.join("srv/www/link")).unwrap();
    std::os::unix::fs::chown(lower.join("srv/www"), Some(33), Some(34)).unwrap();
    std::os::unix::fs::chown(lower.join("srv/www/index"), Some(35), Some(36)).unwrap();
    std::fs::set_permissions(
        lower.join("srv/www"),
        std::fs::Permissions::from_mode(0o2750),
    )
    .unwrap();
    std::fs::create_dir_all(&upper).unwrap();
    symlink("/../../srv", upper.join("data")).unwrap();
    vec![lower, upper]
}

#[test]
fn an_empty_volume_gets_the_images_content_once() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test mounts: run it as root"
    );
    let place = Place::new();
    let layers = image(&place);
    let volumes = place.open();
    let hold = volumes.create(&named("www")).unwrap();
    let source = Source {
        layers,
        destination: PathBuf::from("/data/www"),
    };
    let data = hold.data();
    // As a container that has it mounted sees it.
    let mounted = std::fs::File::open(&data).unwrap();
    hold.fill(source.clone()).unwrap();
    assert_eq!(
        mounted.metadata().unwrap().ino(),
        data.metadata().unwrap().ino(),
        "it is another folder now"
    );
    assert_eq!(
        std::fs::read_to_string(data.join("index")).unwrap(),
        "hello"
    );
    assert_eq!(
        std::fs::read_link(data.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    let (root, index) = (
        data.metadata().unwrap(),
        data.join("index").metadata().unwrap(),
    );
    assert_eq!(
        (root.uid(), root.gid(), root.mode() & 0o7777),
        (33, 34, 0o2750)
    );
    assert_eq!((index.uid(), index.gid()), (35, 36));
    assert_eq!(
        index.ino(),
        data.join("deep/same").metadata().unwrap().ino()
    );

    std::fs::remove_file(data.join("index")).unwrap();
    hold.fill(source).unwrap();
    assert!(
        !data.join("index").exists(),
        "a volume that isn't empty is left alone"
    );
    assert!(!volumes.folder(&hold.volume().name).join("_fresh").exists());
}

#[test]
fn an_image_without_the_folder_leaves_the_volume_empty() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test mounts: run it as root"
    );
    let place = Place::new();
    let layers = image(&place);
    let volumes = place.open();
    let hold = volumes.create(&named("www")).unwrap();
    for destination in ["/nothing", "/srv/www/index", "/srv/www/link"] {
        hold.fill(Source {
            layers: layers.clone(),
            destination: destination.into(),
        })
        .unwrap();
        assert_eq!(
            std::fs::read_dir(hold.data()).unwrap().count(),
            0,
            "{destination}"
        );
    }
}

#[test]
fn options_are_mounted_once_and_unmounted_when_unused() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test mounts: run it as root"
    );
    let place = Place::new();
    std::fs::create_dir(place.at("elsewhere")).unwrap();
    std::fs::write(place.at("elsewhere/file"), "there").unwrap();
    let volumes = place.open();
    let options = [
        ("type", "none".to_owned()),
        ("o", "bind,ro".to_owned()),
        ("device", place.at("elsewhere").display().to_string()),
    ];
    let create = Create {
        options: options.map(|(key, value)| (key.to_owned(), value)).into(),
        ..named("there")
    };
    let hold = volumes.create(&create).unwrap();
    let data = hold.mount().unwrap();
    hold.mount().unwrap();
    assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "there");
    assert!(
        std::fs::write(data.join("new"), "").is_err(),
        "it was to be read-only"
    );
    let name = hold.volume().name.clone();
    volumes.unmount(&name, || false).unwrap();
    assert!(data.join("file").exists(), "it is held");
    drop(hold);
    volumes.unmount(&name, || true).unwrap();
    assert!(data.join("file").exists(), "it is used");
    volumes.unmount(&name, || false).unwrap();
    assert!(!data.join("file").exists());
    volumes.hold("there").unwrap().mount().unwrap();
    volumes.remove("there", false, nobody).unwrap();
    assert!(
        place.at("elsewhere/file").exists(),
        "what was bound isn't the volume's own"
    );
}

#[test]
fn events_tell_of_volumes() {
    let events = Arc::new(Events::default());
    let place = Place::new();
    let store = Store::open(&place.at("gantry.db")).unwrap();
    let volumes = Volumes::open(
        &place.at("volumes"),
        &place.at("scratch"),
        store,
        Arc::clone(&events),
    )
    .unwrap();
    drop(volumes.create(&named("data")).unwrap());
    drop(volumes.create(&named("data")).unwrap());
    volumes.remove("data", false, nobody).unwrap();
    let told: Vec<String> = events
        .subscribe()
        .0
        .iter()
        .map(|event| event.action.clone())
        .collect();
    assert_eq!(told, ["create", "destroy"]);
}
