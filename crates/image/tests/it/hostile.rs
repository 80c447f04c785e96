//! Registries that lie, stall, or never end.

use std::time::Duration;

use gantry_image::{Digest, ImageError, Options};
use serde_json::json;

use crate::Place;
use crate::fake::{Answer, Fake, Request, serve_image};
use crate::pull::reference;
use crate::tars::{LayerTar, Tar, TestImage, gzip, small_image};

/// Pulls from a registry whose answers are changed, expecting an error that leaves nothing.
async fn refused(
    image: TestImage,
    change: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
) -> ImageError {
    refused_with(Options::default(), image, change).await
}

async fn refused_with(
    options: Options,
    image: TestImage,
    change: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
) -> ImageError {
    let place = Place::new();
    let fake = Fake::image(image, change).await;
    let images = place.open_with(options).await;
    let error = images
        .pull(&reference(&fake.name()), None, None, |_| ())
        .await
        .expect_err("a lie");
    assert!(images.list().await.expect("list").is_empty());
    place.settled(0).await;
    error
}

fn is_layer(image: &TestImage) -> impl Fn(&Request) -> bool + Send + Sync + 'static {
    let digest = Digest::of(&image.layers[0]).to_string();
    move |request| request.path.ends_with(&digest)
}

fn inner(error: &ImageError) -> &ImageError {
    match error {
        ImageError::Shared(error) => error,
        error => error,
    }
}

#[tokio::test]
async fn other_bytes_than_the_digest_says() {
    let image = small_image("x");
    let mut other = image.layers[0].clone();
    // A gzip header's time: the content stays the same.
    other[4] ^= 1;
    let layer = is_layer(&image);
    let error = refused(image, move |request| {
        layer(request).then(|| Answer::ok(other.clone()))
    })
    .await;
    assert!(
        matches!(
            inner(&error),
            ImageError::DigestMismatch { what: "layer", .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn other_content_than_the_diff_id_says() {
    let image = small_image("x");
    let other = gzip(&Tar::default().file("etc/content", "y").end());
    let lying = TestImage::with_config(image.config.clone(), vec![other]);
    let error = refused(lying, |_| None).await;
    assert!(
        matches!(
            inner(&error),
            ImageError::DigestMismatch {
                what: "layer's content",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn other_config_or_manifest_than_the_digest_says() {
    let image = small_image("x");
    let config = image.id();
    let error = refused(image.clone(), move |request| {
        request.path.ends_with(&config).then(|| {
            let mut config = small_image("y").config;
            config.push(b' ');
            Answer::ok(config)
        })
    })
    .await;
    assert!(
        matches!(
            error,
            ImageError::SizeMismatch { .. } | ImageError::DigestMismatch { .. }
        ),
        "{error}"
    );
    let other = small_image("y").digest().to_string();
    let error = refused(image, move |request| {
        request.path.contains("/manifests/").then(|| {
            serve_image(&small_image("x"), &request.path)
                .header("Docker-Content-Digest", other.clone())
        })
    })
    .await;
    assert!(
        matches!(
            error,
            ImageError::DigestMismatch {
                what: "image manifest",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn longer_and_shorter_layers_than_promised() {
    let image = small_image("x");
    let layer = is_layer(&image);
    let error = refused(image.clone(), move |request| {
        layer(request).then(|| Answer::ok(vec![0; 100_000]))
    })
    .await;
    assert!(
        matches!(inner(&error), ImageError::SizeMismatch { .. }),
        "{error}"
    );
    let layer = is_layer(&image);
    let error = refused(image.clone(), move |request| {
        layer(request).then(|| Answer {
            endless: true,
            ..Answer::status(200, "")
        })
    })
    .await;
    assert!(
        matches!(
            inner(&error),
            ImageError::SizeMismatch { .. } | ImageError::Layer(_)
        ),
        "{error}"
    );
    // Cut off, again and again.
    let (layer, bytes) = (is_layer(&image), image.layers[0].clone());
    let impatient = Options {
        retry_pause: Duration::from_millis(1),
        ..Options::default()
    };
    let error = refused_with(impatient, image, move |request| {
        layer(request).then(|| Answer {
            length: Some(bytes.len() as u64),
            ..Answer::ok(&bytes[..10])
        })
    })
    .await;
    assert!(
        matches!(
            inner(&error),
            ImageError::Unreachable { .. } | ImageError::SizeMismatch { .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn manifests_tokens_and_errors_without_end() {
    let image = small_image("x");
    for status in [200, 404, 500] {
        let error = refused(image.clone(), move |request| {
            request.path.contains("/manifests/").then(|| Answer {
                endless: true,
                ..Answer::status(status, "")
            })
        })
        .await;
        assert!(
            matches!(
                error,
                ImageError::TooLarge { .. }
                    | ImageError::ManifestUnknown { .. }
                    | ImageError::Failing { .. }
            ),
            "{error}"
        );
    }
    let error = refused(image.clone(), |request| {
        request.path.contains("/manifests/").then(|| Answer {
            length: Some(1 << 40),
            ..Answer::ok("")
        })
    })
    .await;
    assert_eq!(
        error.to_string(),
        "image manifest is larger than 4194304 bytes"
    );
    let tokens = Fake::start(|_| Answer {
        endless: true,
        ..Answer::status(200, "")
    })
    .await;
    let challenge = format!("Bearer realm=\"http://{}/token\"", tokens.host);
    let error = refused(image, move |request| {
        request
            .path
            .contains("/manifests/")
            .then(|| Answer::status(401, "").header("WWW-Authenticate", challenge.clone()))
    })
    .await;
    assert!(
        matches!(
            error,
            ImageError::TooLarge {
                what: "registry token",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn silence_ends_with_a_word() {
    let image = small_image("x");
    let layer = is_layer(&image);
    let bytes = image.layers[0].clone();
    let impatient = || Options {
        stall_limit: Duration::from_secs(1),
        ..Options::default()
    };
    let error = refused_with(impatient(), image.clone(), move |request| {
        layer(request).then(|| Answer {
            length: Some(bytes.len() as u64),
            stall: true,
            ..Answer::ok(&bytes[..10])
        })
    })
    .await;
    assert!(
        matches!(inner(&error), ImageError::Stalled { .. }),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("sent nothing for 1 s"),
        "{error}"
    );
    let error = refused_with(impatient(), image, move |request| {
        request.path.contains("/manifests/").then(|| Answer {
            length: Some(100),
            stall: true,
            ..Answer::ok("{")
        })
    })
    .await;
    assert!(matches!(error, ImageError::Stalled { .. }), "{error}");
}

#[tokio::test]
async fn redirects_in_a_circle() {
    let error = refused(small_image("x"), |request| {
        request
            .path
            .contains("/manifests/")
            .then(|| Answer::status(307, "").header("Location", request.path.clone()))
    })
    .await;
    assert!(error.to_string().contains("redirect"), "{error}");
}

#[tokio::test]
async fn another_server_cannot_ask_for_the_registrys_credentials() {
    let thief = Fake::start(|_| Answer::ok(r#"{"token":"x"}"#)).await;
    for challenge in [
        format!("Bearer realm=\"http://{}/token\"", thief.host),
        "Basic realm=\"x\"".to_owned(),
    ] {
        let storage = Fake::start(move |_| {
            Answer::status(401, "").header("WWW-Authenticate", &challenge[..])
        })
        .await;
        let image = small_image("x");
        let layer = is_layer(&image);
        let elsewhere = format!("http://{}/blob", storage.host);
        let fake = Fake::image(image, move |request| {
            if layer(request) {
                return Some(Answer::status(307, "").header("Location", &elsewhere[..]));
            }
            (!request.headers.contains_key("authorization")).then(|| {
                Answer::status(401, "").header("WWW-Authenticate", "Basic realm=\"registry\"")
            })
        })
        .await;
        let place = Place::new();
        let images = place.open().await;
        let auth = gantry_image::Auth::Password {
            user: "user".into(),
            password: "secret".into(),
        };
        let error = images
            .pull(&reference(&fake.name()), None, Some(auth), |_| ())
            .await
            .expect_err("a challenge from elsewhere");
        assert!(
            error
                .to_string()
                .ends_with("redirected to 127.0.0.1, which answered 401 Unauthorized"),
            "{error}"
        );
        assert_eq!(thief.requests().len(), 0);
        let asked = storage.requests();
        assert!(!asked.is_empty());
        assert!(
            asked
                .iter()
                .all(|request| !request.headers.contains_key("authorization"))
        );
        place.settled(0).await;
    }
}

/// A zstd frame of so many blocks of 128 KiB of zeros, four bytes each.
fn zeros(blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for n in 0..blocks {
        let last = u32::from(n + 1 == blocks);
        let header = last | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[tokio::test]
async fn bombs_end_with_the_pull() {
    // 256 GiB each. What of it is here when the pull ends would still be a minute's work.
    let bomb = |tar: &[u8]| [crate::tars::zstd(tar), zeros(2 << 20)].concat();
    let tars = ["a", "b", "c"].map(|name| Tar::default().file(name, name).unfinished());
    let layers: Vec<LayerTar<'_>> = tars.iter().map(|tar| (&tar[..], bomb as _)).collect();
    let fake = Fake::image(TestImage::new(&layers, json!({})), |_| None).await;
    let place = Place::new();
    let images = place.open().await;
    let pull = tokio::spawn({
        let (images, name) = (images.clone(), reference(&fake.name()));
        async move { images.pull(&name, None, None, |_| ()).await }
    });
    crate::until("all are being inflated", || {
        ["a", "b", "c"]
            .iter()
            .all(|file| (0..3).any(|n| place.root().join(format!("tmp/{n}/layer/{file}")).exists()))
    })
    .await;
    pull.abort();
    assert!(pull.await.is_err());
    place.settled(0).await;
}

#[tokio::test]
async fn schema_1_and_other_things_than_images() {
    let error = refused(small_image("x"), |request| {
        let schema1 = json!({"schemaVersion": 1, "name": "x", "fsLayers": [], "history": []});
        request
            .path
            .contains("/manifests/")
            .then(|| Answer::ok(schema1.to_string()))
    })
    .await;
    assert!(
        matches!(error, ImageError::Schema1 { .. }) && error.to_string().contains("schema 1"),
        "{error}"
    );
    let image = small_image("x");
    for (from, to) in [
        (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.cncf.helm.config.v1+json",
        ),
        (
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ),
        ("\"layers\"", "\"manifests\":[],\"layers\""),
    ] {
        let manifest = String::from_utf8(image.manifest.clone())
            .expect("json")
            .replace(from, to);
        let error = refused(
            TestImage {
                manifest: manifest.into_bytes(),
                ..image.clone()
            },
            |_| None,
        )
        .await;
        assert!(matches!(error, ImageError::Malformed { .. }), "{error}");
    }
    let fewer = TestImage::with_config(image.config.clone(), Vec::new());
    let error = refused(fewer, |_| None).await;
    assert!(matches!(error, ImageError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn layers_that_climb_out() {
    let climbing = Tar::default()
        .file("../../../../../tmp/gantry-climbed", "x")
        .end();
    let image = TestImage::new(&[(&climbing, gzip)], json!({}));
    let error = refused(image, |_| None).await;
    assert!(
        error.to_string().contains("leads out of the layer"),
        "{error}"
    );
    assert!(!std::path::Path::new("/tmp/gantry-climbed").exists());
}

#[tokio::test]
async fn a_full_disk_ends_the_pull_and_leaves_nothing() {
    let place = Place::new();
    let _disk = crate::SmallDisk::on(place.root(), c"size=16m");
    let content: Vec<u8> = vec![3; 40 << 20];
    let image = TestImage::new(
        &[(&Tar::default().file("big", content).end(), gzip)],
        json!({}),
    );
    let fake = Fake::image(image, |_| None).await;
    let images = place.open().await;
    let result = images
        .pull(&reference(&fake.name()), None, None, |_| ())
        .await;
    place.settled(0).await;
    let error = result.expect_err("no space");
    assert_eq!(
        error.to_string(),
        "failed to register layer: no space left on device"
    );
}
