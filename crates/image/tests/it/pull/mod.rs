//! Pulling from a real registry.

mod flight;
mod login;

use gantry_image::{ErrorKind, ImageAction, ImageError, Platform, Reference};
use serde_json::json;

use crate::registry::Registry;
use crate::tars::{OCI_INDEX, OCI_MANIFEST, Tar, TestImage, gzip, plain, small_image, zstd};
use crate::{Lines, Place};

pub fn reference(text: &str) -> Reference {
    Reference::parse(text).expect("reference")
}

#[tokio::test]
async fn brings_an_image_with_all_its_layers() {
    let (place, registry) = (Place::new(), Registry::start().await);
    let one = Tar::default().dir("a/").file("a/one", "1").end();
    let two = Tar::default()
        .file("a/two", "22")
        .file("a/.wh.one", "")
        .end();
    let three = Tar::default().file("three", "333").end();
    let image = TestImage::new(
        &[(&one, gzip), (&two, zstd), (&three, plain)],
        json!({"Env": ["A=1"]}),
    );
    registry.push("lib/x", "1.0", &image).await;
    let images = place.open().await;
    let mut events = images.events();
    let lines = Lines::default();
    let name = reference(&registry.name("lib/x:1.0"));
    let pulled = images
        .pull(&name, None, None, lines.taker())
        .await
        .expect("pull");
    assert_eq!(
        (pulled.id.to_string(), pulled.digest, pulled.newer),
        (image.id(), image.digest(), true)
    );

    let all = lines.all();
    assert_eq!(all[0], "1.0: Pulling from lib/x");
    for layer in &image.layers {
        let id = gantry_image::Digest::of(layer).short();
        let stages: Vec<_> = all
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("{id}: ")))
            .collect();
        assert_eq!(stages[0], "Pulling fs layer");
        let at = |stage: &str| {
            stages
                .iter()
                .position(|s| *s == stage)
                .unwrap_or_else(|| panic!("{stage} in {stages:?}"))
        };
        assert!(at("Verifying Checksum") < at("Download complete"));
        assert!(at("Download complete") < at("Extracting"));
        assert_eq!(at("Pull complete"), stages.len() - 1);
    }
    assert_eq!(all[all.len() - 2], format!("Digest: {}", image.digest()));
    assert_eq!(
        all[all.len() - 1],
        format!("Status: Downloaded newer image for {}", name.familiar())
    );
    let event = events.recv().await.expect("event");
    assert_eq!(
        (event.action, event.actor),
        (ImageAction::Pull, name.familiar())
    );

    let got = images.get(&name.familiar()).await.expect("get");
    assert_eq!(got.size, 6);
    assert_eq!(got.repo_digests, [name.with_digest(image.digest())]);
    assert_eq!(got.config_json, image.config);
    assert_eq!(
        std::fs::read(got.layers[0].path.join("a/one")).expect("file"),
        b"1"
    );
    assert_eq!(
        std::fs::read(got.layers[2].path.join("three")).expect("file"),
        b"333"
    );
    place.settled(3).await;

    let again = Lines::default();
    let pulled = images
        .pull(&name, None, None, again.taker())
        .await
        .expect("pull");
    assert!(!pulled.newer);
    assert_eq!(
        again.all()[2],
        format!("Status: Image is up to date for {}", name.familiar())
    );
}

#[tokio::test]
async fn a_layer_that_is_here_is_not_fetched_again() {
    let (place, registry) = (Place::new(), Registry::start().await);
    let base = Tar::default().file("base", "base").end();
    let (a, b) = (
        Tar::default().file("f", "a").end(),
        Tar::default().file("f", "b").end(),
    );
    let first = TestImage::new(&[(&base, gzip), (&a, gzip)], json!({}));
    let second = TestImage::new(&[(&base, gzip), (&b, gzip), (&b, gzip)], json!({}));
    registry.push("x", "1", &first).await;
    registry.push("x", "2", &second).await;
    let images = place.open().await;
    images
        .pull(&reference(&registry.name("x:1")), None, None, |_| ())
        .await
        .expect("pull");
    let lines = Lines::default();
    images
        .pull(&reference(&registry.name("x:2")), None, None, lines.taker())
        .await
        .expect("pull");
    assert!(lines.has(&format!(
        "{}: Already exists",
        gantry_image::Digest::of(&first.layers[0]).short()
    )));
    let usage = images.usage().await.expect("usage");
    assert_eq!(usage.layers_size, 6);
    assert!(usage.images.iter().all(|image| image.shared_size == 4));
    place.settled(3).await;
}

#[tokio::test]
async fn a_moved_tag_leaves_the_old_image_without_a_name() {
    let (place, registry) = (Place::new(), Registry::start().await);
    let (old, new) = (small_image("old"), small_image("new"));
    registry.push("x", "latest", &old).await;
    let images = place.open().await;
    let name = reference(&registry.name("x"));
    images.pull(&name, None, None, |_| ()).await.expect("pull");
    registry.push("x", "latest", &new).await;
    assert!(
        images
            .pull(&name, None, None, |_| ())
            .await
            .expect("pull")
            .newer
    );
    assert_eq!(
        images
            .get(&name.familiar())
            .await
            .expect("get")
            .id
            .to_string(),
        new.id()
    );
    let old = images.get(&old.id()).await.expect("the old one");
    assert!(old.is_dangling() && old.repo_digests.len() == 1);
}

#[tokio::test]
async fn lists_lead_to_the_hosts_or_the_wanted_platform() {
    let (place, registry) = (Place::new(), Registry::start().await);
    let tar = Tar::default().file("f", "x").end();
    let mut entries = Vec::new();
    let mut ids = Vec::new();
    for (architecture, variant) in [("arm64", Some("v8")), ("amd64", None)] {
        let image = TestImage::for_platform(architecture, &[(&tar, gzip)], json!({}));
        let manifest = String::from_utf8(image.manifest.clone()).expect("json");
        let manifest = manifest
            .replace(crate::tars::MANIFEST, OCI_MANIFEST)
            .replace(
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.oci.image.config.v1+json",
            )
            .replace(
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "application/vnd.oci.image.layer.v1.tar+gzip",
            );
        let image = TestImage {
            manifest: manifest.into_bytes(),
            ..image
        };
        registry
            .push_image("multi", &image.digest().to_string(), &image, OCI_MANIFEST)
            .await;
        entries.push(json!({
            "mediaType": OCI_MANIFEST,
            "digest": image.digest().to_string(),
            "size": image.manifest.len(),
            "platform": {"os": "linux", "architecture": architecture, "variant": variant},
        }));
        ids.push(image.id());
    }
    let index =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    registry
        .push_manifest("multi", "latest", index.as_bytes(), OCI_INDEX)
        .await;
    let images = place.open().await;
    let name = reference(&registry.name("multi"));
    let platform = |text: &str| Some(text.parse::<Platform>().expect("platform"));
    let pulled = images
        .pull(&name, platform("linux/amd64"), None, |_| ())
        .await
        .expect("amd64");
    assert_eq!(
        (pulled.id.to_string(), pulled.digest),
        (ids[1].clone(), gantry_image::Digest::of(index.as_bytes()))
    );
    let pulled = images
        .pull(&name, platform("linux/arm64"), None, |_| ())
        .await
        .expect("arm64");
    assert_eq!(pulled.id.to_string(), ids[0]);
    let error = images
        .pull(&name, platform("linux/s390x"), None, |_| ())
        .await
        .expect_err("none");
    assert_eq!(
        error.to_string(),
        "no matching manifest for linux/s390x in the manifest list entries"
    );
    // By the digest of one entry.
    let by_digest = reference(&format!(
        "{}@{}",
        name.familiar_name(),
        entries[1]["digest"].as_str().expect("digest")
    ));
    let pulled = images
        .pull(&by_digest, None, None, |_| ())
        .await
        .expect("by digest");
    assert_eq!(
        (pulled.id.to_string(), pulled.reference),
        (ids[1].clone(), by_digest.clone())
    );
    let error = images
        .pull(&by_digest, platform("linux/arm64"), None, |_| ())
        .await
        .expect_err("other platform");
    assert!(matches!(error, ImageError::WrongPlatform { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_dockers_words() {
    let (place, registry) = (Place::new(), Registry::start().await);
    registry.push("x", "latest", &small_image("x")).await;
    let images = place.open().await;
    for missing in [registry.name("x:nope"), registry.name("nope:latest")] {
        let error = images
            .pull(&reference(&missing), None, None, |_| ())
            .await
            .expect_err("missing");
        assert_eq!(
            error.to_string(),
            format!("manifest for {missing} not found: manifest unknown: manifest unknown")
        );
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let error = images.get("nope").await.expect_err("missing");
    assert_eq!(error.to_string(), "No such image: nope:latest");
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|s| s.local_addr())
        .expect("port");
    let error = images
        .pull(&reference(&format!("{closed}/x")), None, None, |_| ())
        .await
        .expect_err("closed");
    assert!(error.to_string().contains("refused"), "{error}");
}
