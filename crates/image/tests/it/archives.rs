//! Save, load and import.

use std::io::Read;

use gantry_image::{Digest, ImageError, Images};
use serde_json::{Value, json};

use crate::Place;
use crate::tars::{Tar, TestImage, docker_archive, gzip, plain, small_image, zstd};

async fn load(images: &Images, archive: Vec<u8>) -> Result<Vec<gantry_image::Loaded>, ImageError> {
    images.load(std::io::Cursor::new(archive), |_| ()).await
}

async fn save(images: &Images, names: &[&str]) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut out = Vec::new();
    images.save(&names, &mut out).await.expect("save");
    out
}

fn two_images() -> (TestImage, TestImage) {
    let base = Tar::default().file("base", "base").end();
    let (a, b) = (
        Tar::default().file("f", "a").end(),
        Tar::default().file("f", "b").end(),
    );
    (
        TestImage::new(
            &[(&base, plain), (&a, plain)],
            json!({"Healthcheck": {"Test": ["NONE"]}}),
        ),
        TestImage::new(&[(&base, plain), (&b, gzip)], json!({})),
    )
}

#[tokio::test]
async fn what_is_saved_loads_elsewhere() {
    let (first, second) = two_images();
    let (here, there) = (Place::new(), Place::new());
    let images = here.open().await;
    let archive = docker_archive(&[(&first, &["a:1", "a:2"]), (&second, &["b/c:latest"])]);
    for archive in [gzip(&archive), zstd(&archive), archive.clone()] {
        let loaded = load(&images, archive).await.expect("load");
        assert_eq!(
            loaded
                .iter()
                .map(|image| image.id.to_string())
                .collect::<Vec<_>>(),
            [first.id(), second.id()]
        );
        assert_eq!(loaded[0].references.len(), 2);
    }
    here.settled(3).await;
    let saved = save(&images, &["a", "b/c:latest"]).await;
    let other = there.open().await;
    let loaded = load(&other, saved.clone()).await.expect("load");
    assert_eq!(loaded.len(), 2);
    let got = other.get("a:2").await.expect("get");
    assert_eq!((got.id.to_string(), got.repo_tags.len()), (first.id(), 2));
    assert_eq!(
        got.config_json, first.config,
        "the config is kept to the byte"
    );
    assert_eq!(
        std::fs::read(got.layers[1].path.join("f")).expect("f"),
        b"a"
    );
    there.settled(3).await;

    // Each blob once, and an OCI layout as well.
    let mut names = Vec::new();
    let mut index = Value::Null;
    for entry in tar::Archive::new(&saved[..]).entries().expect("tar") {
        let mut entry = entry.expect("entry");
        let name = entry.path().expect("path").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("read");
        if let Some(hex) = name
            .strip_prefix("blobs/sha256/")
            .filter(|hex| !hex.is_empty())
        {
            assert_eq!(Digest::of(&bytes).hex(), hex);
        }
        if name == "index.json" {
            index = serde_json::from_slice(&bytes).expect("json");
        }
        names.push(name);
    }
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("blobs/sha256/"))
            .count(),
        1 + 3 + 2 + 2
    );
    for name in ["oci-layout", "manifest.json", "index.json"] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    let annotated: Vec<_> = index["manifests"]
        .as_array()
        .expect("manifests")
        .iter()
        .map(|m| &m["annotations"]["io.containerd.image.name"])
        .collect();
    assert_eq!(
        annotated,
        [
            "docker.io/library/a:1",
            "docker.io/library/a:2",
            "docker.io/b/c:latest"
        ]
    );
}

#[tokio::test]
async fn an_oci_layout_loads_without_dockers_manifest() {
    let (first, second) = two_images();
    let (here, there) = (Place::new(), Place::new());
    let images = here.open().await;
    load(
        &images,
        docker_archive(&[(&first, &["a:1", "a:2"]), (&second, &[])]),
    )
    .await
    .expect("load");
    let saved = save(&images, &["a:1", "a:2", &second.id()]).await;
    let mut layout = Tar::default();
    for entry in tar::Archive::new(&saved[..]).entries().expect("tar") {
        let mut entry = entry.expect("entry");
        let name = entry.path().expect("path").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("read");
        if entry.header().entry_type().is_file() && name != "manifest.json" {
            layout = layout.file(&name, bytes);
        }
    }
    let other = there.open().await;
    let loaded = load(&other, layout.end()).await.expect("load");
    assert_eq!(loaded.len(), 2);
    assert_eq!(
        other.get("a:2").await.expect("get").id.to_string(),
        first.id()
    );
    assert!(other.get(&second.id()).await.expect("get").is_dangling());
}

#[tokio::test]
async fn layers_by_links_and_without_tags_load() {
    let image = small_image("linked");
    let tar = Tar::default()
        .file("store/layer.tar", &image.layers[0])
        .symlink("abc/layer.tar", "../store/layer.tar")
        .file("abc/VERSION", "1.0")
        .file("abc/json", "{}")
        .file("config.json", &image.config)
        .file(
            "manifest.json",
            json!([{"Config": "config.json", "RepoTags": null, "Layers": ["abc/layer.tar"]}])
                .to_string(),
        );
    let place = Place::new();
    let images = place.open().await;
    let loaded = load(&images, tar.end()).await.expect("load");
    assert!(loaded[0].references.is_empty());
    place.settled(1).await;
}

#[tokio::test]
async fn a_layer_that_begins_as_json_does_is_a_layer() {
    let tar = Tar::default().file("[", "x").end();
    let image = TestImage::new(&[(&tar, plain)], json!({}));
    let place = Place::new();
    let images = place.open().await;
    load(&images, docker_archive(&[(&image, &["x:1"])]))
        .await
        .expect("load");
    place.settled(1).await;
}

#[tokio::test]
async fn broken_archives_are_refused_and_leave_nothing() {
    let image = small_image("x");
    let good = docker_archive(&[(&image, &["x:1"])]);
    let manifest = |config: &str, layers: Value, tags: Value| {
        json!([{"Config": config, "RepoTags": tags, "Layers": layers}]).to_string()
    };
    let with = |manifest: String| {
        Tar::default()
            .file("l", &image.layers[0])
            .file("c", &image.config)
            .file("manifest.json", manifest)
            .end()
    };
    let other = gzip(&Tar::default().file("other", "").end());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("text", b"hello".repeat(1000)),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("no manifest", Tar::default().file("x", "{}").end()),
        ("manifest is no JSON", with("[{".to_owned())),
        (
            "missing layer",
            with(manifest("c", json!(["nope"]), json!([]))),
        ),
        (
            "missing config",
            with(manifest("nope", json!(["l"]), json!([]))),
        ),
        ("too few layers", with(manifest("c", json!([]), json!([])))),
        (
            "bad tag",
            with(manifest("c", json!(["l"]), json!(["UPPER CASE"]))),
        ),
        (
            "climbing layer",
            with(manifest("c", json!(["../../etc/passwd"]), json!([]))),
        ),
        ("climbing name", Tar::default().file("../x", "{}").end()),
        ("a device", Tar::default().device("x", 1, 3).end()),
        (
            "another layer",
            Tar::default()
                .file("l", &other)
                .file("c", &image.config)
                .file("manifest.json", manifest("c", json!(["l"]), json!([])))
                .end(),
        ),
        (
            "links in a circle",
            Tar::default()
                .symlink("l", "m")
                .symlink("m", "l")
                .file("c", &image.config)
                .file("manifest.json", manifest("c", json!(["l"]), json!([])))
                .end(),
        ),
    ];
    for (what, archive) in cases {
        let place = Place::new();
        let images = place.open().await;
        assert!(load(&images, archive).await.is_err(), "{what}");
        assert!(images.list().await.expect("list").is_empty(), "{what}");
        place.settled(0).await;
    }
}

#[tokio::test]
async fn an_import_is_an_image_of_one_layer() {
    let place = Place::new();
    let images = place.open().await;
    let tar = Tar::default().dir("bin/").file("bin/sh", "#!").end();
    let changes = [
        "CMD [\"/bin/sh\"]".to_owned(),
        "ENV A=1 B=2".to_owned(),
        "EXPOSE 80".to_owned(),
    ];
    let name = gantry_image::Reference::parse("imported:1").expect("reference");
    let id = images
        .import(
            std::io::Cursor::new(gzip(&tar)),
            Some(name.clone()),
            None,
            "Imported from -",
            &changes,
        )
        .await
        .expect("import");
    let image = images.get("imported:1").await.expect("get");
    assert_eq!(image.id, id);
    let run = image.config.config().as_ref().expect("config");
    assert_eq!(run.cmd().as_deref(), Some(&["/bin/sh".to_owned()][..]));
    assert_eq!(run.env().as_ref().map(Vec::len), Some(2));
    let history = images.history("imported:1").await.expect("history");
    assert_eq!(
        (history[0].comment.as_str(), history[0].size, history[0].id),
        ("Imported from -", 2, Some(id))
    );
    let bad = images
        .import(
            std::io::Cursor::new(tar),
            Some(name),
            None,
            "",
            &["RUN x".to_owned()],
        )
        .await;
    assert_eq!(
        bad.expect_err("RUN").to_string(),
        "RUN is not a valid change command"
    );
    let none = images
        .import(
            std::io::Cursor::new(b"no tar".repeat(200)),
            None,
            None,
            "",
            &[],
        )
        .await;
    assert!(matches!(none.expect_err("no tar"), ImageError::Layer(_)));
    place.settled(1).await;
}

#[tokio::test]
async fn a_load_that_is_dropped_leaves_nothing() {
    let place = Place::new();
    let images = place.open().await;
    let archive = docker_archive(&[(&small_image("x"), &["x:1"])]);
    let (mut feed, stream) = tokio::io::duplex(4096);
    let loading = tokio::spawn({
        let images = images.clone();
        async move { images.load(stream, |_| ()).await }
    });
    tokio::io::AsyncWriteExt::write_all(&mut feed, &archive[..archive.len() - 2048])
        .await
        .expect("write");
    loading.abort();
    assert!(loading.await.is_err());
    place.settled(0).await;
}

/// Begins to load what was saved of `x:1`, removes the image meanwhile, and returns the load and what is to come of
/// the archive.
async fn load_over_a_removal(
    images: &Images,
) -> (
    tokio::task::JoinHandle<Result<Vec<gantry_image::Loaded>, ImageError>>,
    tokio::io::DuplexStream,
    Vec<u8>,
) {
    load(images, docker_archive(&[(&small_image("x"), &["x:1"])]))
        .await
        .expect("load");
    let mut archive = save(images, &["x:1"]).await;
    let (mut feed, stream) = tokio::io::duplex(64);
    let loading = tokio::spawn({
        let images = images.clone();
        async move { images.load(stream, |_| ()).await }
    });
    // It has begun once it takes more than fits between us.
    let rest = archive.split_off(4096);
    tokio::io::AsyncWriteExt::write_all(&mut feed, &archive)
        .await
        .expect("write");
    images
        .remove("x:1", false, &|_| Vec::new())
        .await
        .expect("remove");
    (loading, feed, rest)
}

#[tokio::test]
async fn layers_that_an_archive_relies_on_stay_while_it_is_read() {
    let place = Place::new();
    let images = place.open().await;
    let (loading, mut feed, rest) = load_over_a_removal(&images).await;
    tokio::io::AsyncWriteExt::write_all(&mut feed, &rest)
        .await
        .expect("write");
    drop(feed);
    loading.await.expect("no panic").expect("load");
    let got = images.get("x:1").await.expect("get");
    assert!(got.layers[0].path.join("etc/content").is_file());
    place.settled(1).await;
}

#[tokio::test]
async fn what_a_cancelled_job_held_goes_with_a_prune() {
    let place = Place::new();
    let images = place.open().await;
    let (loading, _feed, _rest) = load_over_a_removal(&images).await;
    loading.abort();
    assert!(loading.await.is_err());
    let (lines, bytes) = images.prune(true, &|_| false).await.expect("prune");
    assert_eq!((lines.len(), bytes), (0, 1));
    place.settled(0).await;
}
