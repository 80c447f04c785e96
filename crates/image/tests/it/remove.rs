//! Removing and pruning, by Docker's rules.

use gantry_image::{ErrorKind, ImageAction, ImageId, Images, Removed, Use};

use crate::Place;
use crate::pull::reference;
use crate::registry::Registry;
use crate::tars::{docker_archive, small_image};

fn nobody(_: &ImageId) -> Vec<Use> {
    Vec::new()
}

fn container(running: bool) -> impl Fn(&ImageId) -> Vec<Use> + Send + Sync {
    move |_| {
        vec![Use {
            container_id: "0123456789abcdef0123456789abcdef".into(),
            running,
        }]
    }
}

async fn with_image(tags: &[&str]) -> (Place, Images, String) {
    let place = Place::new();
    let images = place.open().await;
    let image = small_image("x");
    images
        .load(
            std::io::Cursor::new(docker_archive(&[(&image, tags)])),
            |_| (),
        )
        .await
        .expect("load");
    (place, images, image.id())
}

fn lines(removed: &[Removed]) -> Vec<String> {
    removed
        .iter()
        .map(|line| match line {
            Removed::Untagged(name) => format!("Untagged: {name}"),
            Removed::Deleted(id) => format!("Deleted: {id}"),
        })
        .collect()
}

#[tokio::test]
async fn a_name_of_several_is_only_taken_away() {
    let (place, images, id) = with_image(&["a:1", "a:2", "b:1"]).await;
    let mut events = images.events();
    assert_eq!(
        lines(
            &images
                .remove("a:1", false, &container(true))
                .await
                .expect("untag")
        ),
        ["Untagged: a:1"]
    );
    assert_eq!(
        events.recv().await.expect("event").action,
        ImageAction::Untag
    );
    let error = images
        .remove(&id, false, &nobody)
        .await
        .expect_err("two repositories");
    assert_eq!(
        error.to_string(),
        format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
            &id[7..19]
        )
    );
    let removed = lines(
        &images
            .remove(&id[7..15], true, &nobody)
            .await
            .expect("force"),
    );
    assert_eq!(
        removed[..3],
        [
            "Untagged: a:2".to_owned(),
            "Untagged: b:1".to_owned(),
            format!("Deleted: {id}")
        ]
    );
    assert_eq!(removed.len(), 4, "and the layer");
    assert_eq!(
        events.recv().await.expect("event").action,
        ImageAction::Untag
    );
    place.settled(0).await;
    assert_eq!(
        images
            .remove("a:2", false, &nobody)
            .await
            .expect_err("gone")
            .to_string(),
        "No such image: a:2"
    );
}

#[tokio::test]
async fn containers_keep_their_image() {
    let (place, images, id) = with_image(&["a:1"]).await;
    let short = &id[7..19];
    let error = images
        .remove("a:1", false, &container(false))
        .await
        .expect_err("used");
    assert_eq!(
        error.to_string(),
        format!(
            "conflict: unable to remove repository reference \"a:1\" (must force) - container 0123456789ab is using its referenced image {short}"
        )
    );
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let error = images
        .remove(short, false, &container(false))
        .await
        .expect_err("used");
    assert_eq!(
        error.to_string(),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped container 0123456789ab"
        )
    );
    let error = images
        .remove(short, true, &container(true))
        .await
        .expect_err("used");
    assert_eq!(
        error.to_string(),
        format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by running container 0123456789ab"
        )
    );
    assert_eq!(
        lines(
            &images
                .remove("a:1", true, &container(true))
                .await
                .expect("force")
        ),
        ["Untagged: a:1"]
    );
    place.settled(1).await;
}

#[tokio::test]
async fn a_forced_delete_keeps_the_layers_for_stopped_containers() {
    let (place, images, id) = with_image(&["a:1"]).await;
    let removed = images
        .remove("a:1", true, &container(false))
        .await
        .expect("force");
    assert_eq!(
        lines(&removed),
        ["Untagged: a:1".to_owned(), format!("Deleted: {id}")]
    );
    assert!(images.get(&id).await.is_err() && images.list().await.expect("list").is_empty());
    let image_id: ImageId = id.parse().expect("id");
    drop(images);
    let images = place.open().await;
    let kept = images
        .of_container(&image_id)
        .await
        .expect("the container's image");
    assert!(kept.layers[0].path.join("etc/content").is_file());
    images.forget_unused(&|_| true).await.expect("still used");
    place.settled(1).await;
    images.forget_unused(&|_| false).await.expect("no longer");
    place.settled(0).await;
    assert!(images.of_container(&image_id).await.is_err());
}

#[tokio::test]
async fn the_last_tag_takes_the_digest_of_its_repository_along() {
    let (place, registry) = (Place::new(), Registry::start().await);
    let image = small_image("x");
    registry.push("x", "latest", &image).await;
    let images = place.open().await;
    let name = reference(&registry.name("x"));
    images.pull(&name, None, None, |_| ()).await.expect("pull");
    images
        .tag(&name.familiar(), &reference("other:1"))
        .await
        .expect("tag");
    let removed = lines(
        &images
            .remove(&name.familiar(), false, &nobody)
            .await
            .expect("untag"),
    );
    let digest = name.with_digest(image.digest()).familiar();
    assert_eq!(
        removed,
        [
            format!("Untagged: {}", name.familiar()),
            format!("Untagged: {digest}")
        ]
    );
    assert_eq!(
        images
            .remove("other:1", false, &nobody)
            .await
            .expect("delete")
            .len(),
        3
    );
    place.settled(0).await;
}

#[tokio::test]
async fn a_hold_makes_a_removal_wait() {
    let (place, images, id) = with_image(&["a:1"]).await;
    let hold = images.hold("a").await;
    assert!(hold.is_err(), "a:latest is not there");
    let hold = images.hold("a:1").await.expect("hold");
    let removal = tokio::spawn({
        let images = images.clone();
        async move { images.remove("a:1", true, &nobody).await }
    });
    // Others go on meanwhile.
    images.tag(&id, &reference("b:1")).await.expect("tag");
    assert!(!removal.is_finished());
    assert!(hold.image.layers[0].path.exists());
    drop(hold);
    assert_eq!(
        lines(&removal.await.expect("join").expect("remove")),
        ["Untagged: a:1"]
    );
    let hold = images
        .hold(&id)
        .await
        .expect("still there under its other name");
    assert_eq!(hold.image.repo_tags, [reference("b:1")]);
    drop(hold);
    place.settled(1).await;
}

#[tokio::test]
async fn prune_takes_what_nobody_uses() {
    let place = Place::new();
    let images = place.open().await;
    let (used, unused, dangling) = (
        small_image("used"),
        small_image("unused"),
        small_image("dangling"),
    );
    let archive = docker_archive(&[
        (&used, &["used:1"]),
        (&unused, &["unused:1"]),
        (&dangling, &[]),
    ]);
    images
        .load(std::io::Cursor::new(archive), |_| ())
        .await
        .expect("load");
    let (removed, won) = images.prune(true, &|_| false).await.expect("prune");
    assert_eq!(
        (lines(&removed)[0].clone(), won),
        (format!("Deleted: {}", dangling.id()), 8)
    );
    let used_id = used.id();
    let (removed, _) = images
        .prune(false, &|image| image.id.to_string() == used_id)
        .await
        .expect("prune");
    assert_eq!(lines(&removed)[0], "Untagged: unused:1");
    let left = images.list().await.expect("list");
    assert_eq!(
        left.iter()
            .map(|image| image.id.to_string())
            .collect::<Vec<_>>(),
        [used.id()]
    );
    place.settled(1).await;
}

#[tokio::test]
async fn tags_are_given_and_moved() {
    let (_place, images, id) = with_image(&["a:1"]).await;
    let other = small_image("other");
    images
        .load(
            std::io::Cursor::new(docker_archive(&[(&other, &["b:1"])])),
            |_| (),
        )
        .await
        .expect("load");
    images
        .tag(&id[7..17], &reference("b:1"))
        .await
        .expect("tag by short id");
    assert_eq!(images.get("b:1").await.expect("get").id.to_string(), id);
    assert!(images.get(&other.id()).await.expect("get").is_dangling());
    let with_digest = reference(&format!("b@{id}"));
    let error = images.tag("a:1", &with_digest).await.expect_err("digest");
    assert_eq!(
        error.to_string(),
        "refusing to create a tag with a digest reference"
    );
    assert_eq!(
        images
            .tag("nope", &reference("c"))
            .await
            .expect_err("nope")
            .to_string(),
        "No such image: nope:latest"
    );
}
