//! What the events bus is told of containers.

use std::collections::BTreeMap;

use super::{MountPoint, Record};
use crate::events::Subject;
use crate::state::Engine;
use crate::volumes::VolumeName;

/// Publishes `action` of a container with Docker's attributes: its labels, image and name, and `more`.
pub fn publish(
    engine: &Engine,
    record: &Record,
    action: impl Into<String>,
    more: &[(&str, String)],
) {
    let definition = &record.definition;
    let mut attributes: BTreeMap<String, String> = definition
        .config
        .labels
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    attributes.insert(
        "image".to_owned(),
        definition.config.image.clone().unwrap_or_default(),
    );
    attributes.insert("name".to_owned(), definition.name.clone());
    attributes.extend(
        more.iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    engine.events.publish(
        Subject::Container,
        action,
        definition.id.as_str(),
        attributes,
    );
}

/// Publishes that the container joined or left the default network.
pub fn publish_network(engine: &Engine, record: &Record, action: &str, network: &str) {
    let attributes = [
        ("container".to_owned(), record.id().as_str().to_owned()),
        ("name".to_owned(), network.to_owned()),
        ("type".to_owned(), network.to_owned()),
    ];
    engine.events.publish(
        Subject::Network,
        action,
        engine.network_id(network),
        attributes.into_iter().collect(),
    );
}

/// Publishes that the container has its volumes mounted.
pub fn publish_mounts(engine: &Engine, record: &Record) {
    for (name, mount) in volumes(record) {
        let writes = if mount.read_only { "false" } else { "true" };
        let more = [
            ("container", record.id().as_str()),
            ("destination", &mount.destination),
            ("propagation", &mount.propagation),
            ("read/write", writes),
        ];
        engine.volumes.tell("mount", &name, &more);
    }
}

/// Publishes that it let go of them.
pub fn publish_unmounts(engine: &Engine, record: &Record) {
    for (name, _) in volumes(record) {
        let more = [("container", record.id().as_str())];
        engine.volumes.tell("unmount", &name, &more);
    }
}

fn volumes(record: &Record) -> impl Iterator<Item = (VolumeName, &MountPoint)> {
    let mounts = record.definition.mounts.iter();
    mounts.filter_map(|mount| Some((mount.volume.parse().ok()?, mount)))
}
