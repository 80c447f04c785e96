//! Pulling from a real registry.

use std::time::Instant;

use gantry_image::{Auth, ErrorKind, ImageAction, ImageError, Options, Platform, Reference};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, serve_image};
use crate::registry::Registry;
use crate::tars::{
    LayerTar, OCI_INDEX, OCI_MANIFEST, Tar, TestImage, gzip, plain, small_image, zstd,
};
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

#[tokio::test]
async fn a_registry_that_wants_a_password_gets_it() {
    let (place, registry) = (Place::new(), Registry::start_private().await);
    registry.push("x", "latest", &small_image("secret")).await;
    let images = place.open().await;
    let name = reference(&registry.name("x"));
    let account = |password: &str| Auth::Password {
        user: crate::registry::USER.into(),
        password: password.into(),
    };
    let (right, wrong) = (account(crate::registry::PASSWORD), account("wrong"));
    let refused = (
        "unauthorized: authentication required",
        ErrorKind::Unauthorized,
    );

    let error = images
        .pull(&name, None, None, |_| ())
        .await
        .expect_err("none");
    assert!(
        error.to_string().ends_with("no basic auth credentials"),
        "{error}"
    );
    let pulled = images.pull(&name, None, Some(wrong.clone()), |_| ()).await;
    let error = pulled.expect_err("wrong");
    assert_eq!((error.to_string().as_str(), error.kind()), refused);
    let login = images.login(&registry.host, &wrong).await;
    let error = login.expect_err("wrong");
    assert_eq!((error.to_string().as_str(), error.kind()), refused);

    images.login(&registry.host, &right).await.expect("right");
    images
        .pull(&name, None, Some(right), |_| ())
        .await
        .expect("right");
}

#[tokio::test]
async fn bearer_tokens_are_fetched_where_the_challenge_says() {
    let tokens = Fake::start(|request| {
        let good = request.headers.get("authorization").map(String::as_str) == Some("Basic dXNlcjpzZWNyZXQ=");
        let scope = request.path == "/token?service=reg&scope=repository%3Ax%3Apull";
        match (good, scope) {
            (true, true) => Answer::ok(r#"{"token":"abc"}"#),
            (_, false) => Answer::status(400, "scope"),
            (false, _) => Answer::status(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}"#),
        }
    })
    .await;
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"reg\"",
        tokens.host
    );
    let fake = Fake::image(small_image("secret"), move |request| {
        match request.headers.get("authorization").map(String::as_str) {
            Some("Bearer abc") => None,
            Some(_) => Some(Answer::status(403, r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#)),
            None => Some(Answer::status(401, "").header("WWW-Authenticate", challenge.clone())),
        }
    })
    .await;
    let place = Place::new();
    let images = place.open().await;
    let name = reference(&fake.name());
    let error = images
        .pull(&name, None, None, |_| ())
        .await
        .expect_err("none");
    assert_eq!(
        error.to_string(),
        "unauthorized: incorrect username or password"
    );
    let token = Auth::RegistryToken("other".into());
    let error = images
        .pull(&name, None, Some(token), |_| ())
        .await
        .expect_err("denied");
    assert_eq!(
        error.to_string(),
        format!(
            "pull access denied for {}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            name.familiar_name()
        )
    );
    let auth = Auth::Password {
        user: "user".into(),
        password: "secret".into(),
    };
    images
        .pull(&name, None, Some(auth), |_| ())
        .await
        .expect("right");
    assert_eq!(tokens.requests().len(), 2, "one token serves all requests");
}

#[tokio::test]
async fn mirrors_are_tried_before_docker_io_without_its_credentials() {
    let (place, registry) = (Place::new(), Registry::start().await);
    let image = small_image("mirrored");
    registry.push("library/mirrored", "latest", &image).await;
    let empty = Fake::start(|_| Answer::status(404, "")).await;
    let broken = Fake::start(|_| Answer::status(500, "")).await;
    let options = Options {
        registry_mirrors: vec![
            format!("http://{}", empty.host),
            format!("http://{}/", broken.host),
            format!("http://{}", registry.host),
        ],
        ..Options::default()
    };
    let images = place.open_with(options).await;
    let auth = Auth::Password {
        user: "hub".into(),
        password: "secret".into(),
    };
    let pulled = images
        .pull(&reference("mirrored"), None, Some(auth), |_| ())
        .await
        .expect("pull");
    assert_eq!(pulled.reference.familiar(), "mirrored:latest");
    assert_eq!(
        images.get("mirrored").await.expect("get").id.to_string(),
        image.id()
    );
    assert!(!empty.requests().is_empty() && !broken.requests().is_empty());
    assert!(
        empty
            .requests()
            .iter()
            .all(|request| !request.headers.contains_key("authorization"))
    );
}

#[tokio::test]
async fn two_pulls_fetch_a_shared_layer_once() {
    let base = Tar::default().file("base", vec![7; 3 << 20]).end();
    let own: Vec<Vec<u8>> = ["a", "b"]
        .map(|name| Tar::default().file(name, name).end())
        .into();
    let images: Vec<TestImage> = own
        .iter()
        .map(|own| TestImage::new(&[(&base, plain), (own, plain)], json!({})))
        .collect();
    let shared = gantry_image::Digest::of(&base).to_string();
    let serving = images.clone();
    let fake = Fake::start(move |request| {
        let image = if request.path.starts_with("/v2/a/") {
            &serving[0]
        } else {
            &serving[1]
        };
        serve_image(image, &request.path)
    })
    .await;
    let place = Place::new();
    let store = place.open().await;
    let names = ["a", "b"].map(|name| reference(&format!("{}/{name}", fake.host)));
    let (a, b) = tokio::join!(
        store.pull(&names[0], None, None, |_| ()),
        store.pull(&names[1], None, None, |_| ())
    );
    assert_eq!(
        [a.expect("a").id.to_string(), b.expect("b").id.to_string()],
        [images[0].id(), images[1].id()]
    );
    let fetched = fake
        .requests()
        .iter()
        .filter(|request| request.path.ends_with(&shared))
        .count();
    assert_eq!(fetched, 1);
    place.settled(3).await;
}

#[tokio::test]
async fn a_broken_connection_is_gone_on_with() {
    let content: Vec<u8> = (0..2_000_000u32).flat_map(u32::to_le_bytes).collect();
    let tar = Tar::default().file("big", content).end();
    let image = TestImage::new(&[(&tar, plain)], json!({}));
    let layer = image.layers[0].clone();
    for ranges in [true, false] {
        let layer = layer.clone();
        let fake = Fake::image(image.clone(), move |request| {
            if !request
                .path
                .ends_with(&gantry_image::Digest::of(&layer).to_string())
            {
                return None;
            }
            let from: usize = request.headers.get("range").map_or(0, |range| {
                range
                    .trim_start_matches("bytes=")
                    .trim_end_matches('-')
                    .parse()
                    .expect("range")
            });
            let (status, start) = if from > 0 && ranges {
                (206, from)
            } else {
                (200, 0)
            };
            let end = (from + 3_000_000).min(layer.len());
            Some(Answer {
                length: Some((layer.len() - start) as u64),
                ..Answer::status(status, &layer[start..end])
            })
        })
        .await;
        let place = Place::new();
        let images = place.open().await;
        images
            .pull(&reference(&fake.name()), None, None, |_| ())
            .await
            .expect("pull");
    }
}

#[tokio::test]
async fn a_registry_that_is_away_for_a_while_is_waited_for() {
    let content: Vec<u8> = (0..500_000u32).flat_map(u32::to_le_bytes).collect();
    let tar = Tar::default().file("big", content).end();
    let image = TestImage::new(&[(&tar, plain)], json!({}));
    let layer = image.layers[0].clone();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let fake = Fake::image(image, move |request| {
        let digest = gantry_image::Digest::of(&layer).to_string();
        if !request.path.ends_with(&digest) {
            return None;
        }
        let half = layer.len() / 2;
        match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Some(Answer {
                length: Some(layer.len() as u64),
                ..Answer::ok(&layer[..half])
            }),
            1 | 2 => Some(Answer {
                hang_up: true,
                ..Answer::default()
            }),
            3 => Some(Answer::status(502, "<html>")),
            _ => {
                let range = request.headers.get("range").map(String::as_str);
                assert_eq!(range, Some(&*format!("bytes={half}-")));
                Some(Answer::status(206, &layer[half..]))
            }
        }
    })
    .await;
    let place = Place::new();
    let options = Options {
        retry_pause: std::time::Duration::from_millis(1),
        ..Options::default()
    };
    let images = place.open_with(options).await;
    let lines = Lines::default();
    images
        .pull(&reference(&fake.name()), None, None, lines.taker())
        .await
        .expect("pull");
    let told = lines.all();
    assert!(
        told.iter()
            .any(|line| line.ends_with(": Retrying in 1 second")),
        "{told:?}"
    );
}

#[tokio::test]
async fn dropping_a_pull_leaves_nothing() {
    let place = Place::new();
    let image = small_image("never");
    let layer = image.layers[0].clone();
    let fake = Fake::image(image, move |request| {
        request
            .path
            .ends_with(&gantry_image::Digest::of(&layer).to_string())
            .then(|| Answer {
                length: Some(layer.len() as u64),
                stall: true,
                ..Answer::ok(&layer[..layer.len() / 2])
            })
    })
    .await;
    let images = place.open().await;
    let lines = Lines::default();
    let pull = tokio::spawn({
        let (images, name, taker) = (images.clone(), reference(&fake.name()), lines.taker());
        async move { images.pull(&name, None, None, taker).await }
    });
    crate::until("half of the layer is here", || {
        std::fs::metadata(place.root().join("tmp/0/blob")).is_ok_and(|blob| blob.len() > 0)
    })
    .await;
    pull.abort();
    assert!(pull.await.is_err());
    place.settled(0).await;
    assert!(images.list().await.expect("list").is_empty());
}

#[tokio::test]
async fn a_big_image_comes_quickly_enough_to_be_measured() {
    // No time is asserted; the figure is for whoever runs it with --nocapture.
    let (place, registry) = (Place::new(), Registry::start().await);
    let megabytes: usize = std::env::var("GANTRY_PULL_MEGABYTES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(16);
    let tars: Vec<Vec<u8>> = (0..8)
        .map(|n| {
            let mut tar = Tar::default();
            let file: Vec<u8> = (0..1024 * 64u32)
                .map(|i| (i.wrapping_mul(2654435761 + n) >> 21) as u8)
                .collect();
            for i in 0..megabytes * 2 {
                tar = tar.file(&format!("dir{}/file{n}-{i}", i % 10), &file);
            }
            tar.end()
        })
        .collect();
    let layers: Vec<LayerTar<'_>> = tars
        .iter()
        .map(|tar| (tar.as_slice(), gzip as fn(&[u8]) -> Vec<u8>))
        .collect();
    let image = TestImage::new(&layers, Value::Null);
    registry.push("big", "latest", &image).await;
    let images = place.open().await;
    let (begun, ticks) = (Instant::now(), cpu_ticks());
    images
        .pull(&reference(&registry.name("big")), None, None, |_| ())
        .await
        .expect("pull");
    let size = images.get(&registry.name("big")).await.expect("get").size;
    let ticks = cpu_ticks() - ticks;
    println!(
        "{} MB in {:?}, {ticks} ticks of a processor",
        size >> 20,
        begun.elapsed()
    );
    assert_eq!(size as usize, 8 * megabytes * 2 * 64 * 1024);
}

/// Processor time of this process: what a busy machine doesn't change.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let after_name = stat.rsplit(')').next().expect("a name in parentheses");
    after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("ticks"))
        .sum()
}
