//! Layers on their way: shared, broken off, given up.

use gantry_image::Options;
use serde_json::json;

use super::reference;
use crate::fake::{Answer, Fake, serve_image};
use crate::tars::{Tar, TestImage, plain, small_image};
use crate::{Lines, Place};

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
