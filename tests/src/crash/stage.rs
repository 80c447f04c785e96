//! What the rounds act on: containers, and an image in a registry.

use std::collections::BTreeSet;

use crate::leftovers::names_in;
use crate::{Image, Layer, World, until};

/// One request, and the container that it is about.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
    pub(super) container: Option<String>,
}

/// How far a container must have come.
#[derive(PartialEq, Eq)]
pub(super) enum Start {
    Running,
    /// It has said so.
    Ready,
}

/// Waits to be killed.
pub(super) const SLEEPS: &str = "exec sleep 1000";
/// Ends by itself, [`ENDED`], a moment after it was asked to.
pub(super) const POLITE: &str =
    "trap 'usleep 30000; exit 5' TERM; echo ready; while :; do usleep 5000; done";
pub(super) const ENDED: i32 = 5;
/// Counts until there is a file, then says how far, and ends with [`COUNTED`].
pub(super) const COUNTS: &str = "i=0; while [ ! -e /tmp/stop ]; do echo $i; i=$((i+1)); usleep 20000; done; echo end $i; exit 9";
pub(super) const COUNTED: i32 = 9;

/// A container to be made: it has a volume and publishes a port.
pub(super) fn body(script: &str) -> String {
    serde_json::json!({
        "Image": "busybox",
        "Cmd": ["sh", "-c", script],
        "Volumes": {"/data": {}},
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}]}},
    })
    .to_string()
}

pub(super) fn create(world: &World, name: &str, script: &str) -> String {
    let path = format!("/containers/create?name={name}");
    let answer = world.engine.ask("POST", &path, &body(script));
    answer
        .json_id()
        .unwrap_or_else(|| panic!("creating {name}: {} {}", answer.status, answer.text()))
}

pub(super) fn start(world: &World, id: &str) {
    let path = format!("/containers/{id}/start");
    let answer = world.engine.ask("POST", &path, "");
    assert_eq!(answer.status, 204, "{}", answer.text());
}

pub(super) fn started(world: &World, name: &str, script: &str, until_it: Start) -> String {
    let id = create(world, name, script);
    start(world, &id);
    if until_it == Start::Ready {
        let path = format!("/containers/{id}/logs?stdout=1");
        until(&format!("{name} should be ready"), || {
            let log = world.engine.ask("GET", &path, "").text();
            if log.contains("ready") {
                Ok(())
            } else {
                Err(log)
            }
        });
    }
    id
}

/// The image that is pulled, in the registry.
pub(super) const PULLED: &str = "crash/layers";
/// Bytes of each of its layers of noise, and how many there are.
pub(super) const LAYER: usize = 3_000_000;
pub(super) const LAYERS: usize = 5;

/// Busybox and some layers of noise.
pub(super) fn layers() -> Image {
    let mut layers = vec![crate::busybox().layers.swap_remove(0)];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..LAYERS {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .take(LAYER)
        .collect();
        let layer = Layer::new().file(&format!("layer-{number}"), 0o644, &noise);
        layers.push(layer.tar());
    }
    Image::new(layers, &serde_json::json!({"Cmd": ["/bin/sh"]}))
}

/// What the image store holds: layers and blobs.
pub(super) fn store(world: &World) -> [BTreeSet<String>; 2] {
    let root = world.engine.data_root().join("image");
    ["layers", "blobs/sha256"].map(|folder| names_in(&root.join(folder)))
}

/// Removes the image and all that came with it; gives its name.
pub(super) fn forget_image(world: &World, before: &[BTreeSet<String>; 2]) -> String {
    let image = format!("{}/{PULLED}", world.registry().host());
    let path = format!("/images/{image}:latest");
    let gone = world.engine.ask("DELETE", &path, "");
    assert!(matches!(gone.status, 200 | 404), "{}", gone.text());
    until("the store should be as before the pull", || {
        let now = store(world);
        if now == *before { Ok(()) } else { Err(now) }
    });
    image
}
