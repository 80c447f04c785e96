//! Opening what a crash, a power cut or a stranger left.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;

use gantry_image::{Images, Options};

use crate::Place;
use crate::tars::{Tar, TestImage, docker_archive, gzip, small_image};

async fn with_image() -> (Place, Images) {
    let place = Place::new();
    let images = place.open().await;
    let archive = docker_archive(&[(&small_image("x"), &["x:1"])]);
    images
        .load(std::io::Cursor::new(archive), |_| ())
        .await
        .expect("load");
    place.settled(1).await;
    (place, images)
}

fn database(place: &Place) -> rusqlite::Connection {
    rusqlite::Connection::open(place.root().join("images.db")).expect("database")
}

fn content(images: &gantry_image::Image) -> String {
    fs::read_to_string(images.layers[0].path.join("etc/content")).expect("content")
}

#[tokio::test]
async fn what_is_half_made_is_removed() {
    let (place, images) = with_image().await;
    drop(images);
    let root = place.root();
    fs::create_dir_all(root.join("tmp/7/layer/deep/er")).expect("left-over");
    fs::write(root.join("tmp/7/blob"), "half").expect("left-over");
    fs::create_dir_all(root.join("layers/99/etc")).expect("left-over");
    fs::write(root.join("blobs/sha256/abc"), "x").expect("left-over");
    let images = place.open().await;
    place.settled(1).await;
    assert_eq!(content(&images.get("x:1").await.expect("get")), "x");
}

#[tokio::test]
async fn layers_of_another_boot_are_checked_and_made_again() {
    let (place, images) = with_image().await;
    let path = images.get("x:1").await.expect("get").layers[0].path.clone();
    crate::until("the layer is known to be on the disk", || {
        let unsettled =
            database(&place).query_row("SELECT count(unsettled) FROM layers", [], |row| {
                row.get::<_, i64>(0)
            });
        unsettled == Ok(0)
    })
    .await;
    drop(images);
    // As after a power cut: the rows are there, the file's data is not.
    fs::write(path.join("etc/content"), "").expect("damage");
    database(&place)
        .execute("UPDATE layers SET unsettled = 'another boot'", [])
        .expect("update");
    let images = place.open().await;
    assert_eq!(content(&images.get("x:1").await.expect("get")), "x");
    place.settled(1).await;
}

#[tokio::test]
async fn a_lost_folder_is_made_again_from_the_blob() {
    let (place, images) = with_image().await;
    fs::remove_dir_all(&images.get("x:1").await.expect("get").layers[0].path).expect("remove");
    drop(images);
    let images = place.open().await;
    assert_eq!(content(&images.get("x:1").await.expect("get")), "x");
}

#[tokio::test]
async fn an_image_that_is_lost_is_forgotten_and_can_be_had_again() {
    let (place, images) = with_image().await;
    fs::remove_dir_all(&images.get("x:1").await.expect("get").layers[0].path).expect("remove");
    let blob = place
        .root()
        .join("blobs/sha256")
        .join(&place.names("blobs/sha256")[0]);
    fs::write(blob, "damaged").expect("damage");
    drop(images);
    let images = place.open().await;
    assert!(images.list().await.expect("list").is_empty());
    place.settled(0).await;
    let archive = docker_archive(&[(&small_image("x"), &["x:1"])]);
    images
        .load(std::io::Cursor::new(archive), |_| ())
        .await
        .expect("load");
    assert_eq!(content(&images.get("x:1").await.expect("get")), "x");
}

#[tokio::test]
async fn a_full_disk_at_the_start_loses_no_image() {
    let place = Place::new();
    let _disk = crate::SmallDisk::on(place.root(), c"size=32m");
    let images = place.open().await;
    // Noise: the blob is as large as the file.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(6 << 20)
    .collect();
    let tar = Tar::default()
        .file("etc/content", "x")
        .file("noise", noise)
        .end();
    let image = TestImage::new(&[(&tar, gzip)], serde_json::json!({}));
    let archive = docker_archive(&[(&image, &["x:1"])]);
    images
        .load(std::io::Cursor::new(archive), |_| ())
        .await
        .expect("load");
    place.settled(1).await;
    drop(images);
    let unsettled = "UPDATE layers SET unsettled = 'another boot'";
    crate::until("the power cut is staged", || {
        database(&place).execute(unsettled, []).is_ok()
    })
    .await;
    // What the power cut left of the layer gives back no room for a whole one.
    for layer in fs::read_dir(place.root().join("layers")).expect("layers") {
        fs::write(layer.expect("layer").path().join("noise"), "").expect("a hole");
    }
    let filler = place.root().join("filler");
    let mut file = fs::File::create(&filler).expect("filler");
    let mut written = 0;
    while let Ok(more) = file.write(&[1; 1 << 16]) {
        written += more as u64;
    }
    // The database needs a little.
    file.set_len(written - (1 << 20)).expect("a little room");
    drop(file);
    let opened = Images::open(&place.root(), Options::default()).await;
    let Err(error) = opened else {
        panic!("there was room for a second copy")
    };
    assert!(
        error.to_string().contains("no space left on device"),
        "{error}"
    );
    fs::remove_file(filler).expect("remove");
    let images = place.open().await;
    assert_eq!(content(&images.get("x:1").await.expect("get")), "x");
    place.settled(1).await;
}

#[tokio::test]
async fn one_engine_at_a_time_has_the_store() {
    let (place, images) = with_image().await;
    let second = Images::open(&place.root(), Options::default()).await;
    let Err(error) = second else {
        panic!("opened twice")
    };
    assert!(
        error.to_string().ends_with("is in use by another engine"),
        "{error}"
    );
    drop(images);
    place.open().await;
    assert_eq!(
        fs::metadata(place.root().join("layers"))
            .expect("layers")
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let (place, images) = with_image().await;
    drop(images);
    database(&place)
        .pragma_update(None, "user_version", 99)
        .expect("version");
    let Err(error) = Images::open(&place.root(), Options::default()).await else {
        panic!("opened")
    };
    assert!(error.to_string().contains("newer"), "{error}");
    assert_eq!(place.names("layers").len(), 1);
}
