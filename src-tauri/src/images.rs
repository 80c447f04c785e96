//! The images list, pulling and removing.

use std::collections::HashMap;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, RemoveImageOptionsBuilder,
};
use futures::StreamExt;
use serde::Serialize;
use tauri::State;
use tauri::ipc::Channel;

use crate::credentials;
use crate::engine::Engine;
use crate::engine::commands::page_gone;
use crate::error::{CommandError, ErrorCode};
use crate::streams::Streams;

/// One row of the images list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Image {
    /// `sha256:…`.
    pub id: String,
    /// Its names; none for a dangling image.
    pub tags: Vec<String>,
    /// Bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub size: i64,
    /// Seconds since 1970.
    #[cfg_attr(test, ts(type = "number"))]
    pub created: i64,
    /// Names of containers made from it, ordered.
    pub used_by: Vec<String>,
}

/// A step of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PullStep {
    /// The layer's short id; empty for a word about the whole pull.
    pub layer: String,
    /// Docker's word for what happens: `Downloading`, `Extracting`, `Pull complete` …
    pub status: String,
    /// Bytes done.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub current: Option<i64>,
    /// Bytes in all.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub total: Option<i64>,
}

/// All images, newest first.
#[tauri::command]
pub async fn images_list(engine: State<'_, Engine>) -> Result<Vec<Image>, CommandError> {
    let client = engine.client()?;
    let everything = ListContainersOptionsBuilder::new().all(true).build();
    let (images, containers) = tokio::try_join!(
        client.list_images(None::<bollard::query_parameters::ListImagesOptions>),
        client.list_containers(Some(everything))
    )?;
    let mut users: HashMap<String, Vec<String>> = HashMap::new();
    for container in containers {
        let name = container
            .names
            .unwrap_or_default()
            .into_iter()
            .next()
            .unwrap_or_default();
        users
            .entry(container.image_id.unwrap_or_default())
            .or_default()
            .push(name.trim_start_matches('/').to_owned());
    }
    let mut images: Vec<Image> = images
        .into_iter()
        .map(|image| {
            let mut used_by = users.remove(&image.id).unwrap_or_default();
            used_by.sort();
            Image {
                tags: image
                    .repo_tags
                    .into_iter()
                    .filter(|tag| tag != "<none>:<none>")
                    .collect(),
                id: image.id,
                size: image.size,
                created: image.created,
                used_by,
            }
        })
        .collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.created));
    Ok(images)
}

/// Pulls `reference` with the person's stored credentials, telling each step, until done or until the page closes
/// `stream`: leaving the request ends the pull.
#[tauri::command]
pub async fn image_pull(
    engine: State<'_, Engine>,
    streams: State<'_, Streams>,
    stream: u32,
    reference: String,
    steps: Channel<Vec<PullStep>>,
) -> Result<(), CommandError> {
    let client = engine.client()?;
    let reference = Pullable::parse(&reference)?;
    streams
        .run(stream, |flow| async move {
            let auth = credentials::find(credentials::registry(&reference.name)).await?;
            let options = CreateImageOptionsBuilder::new()
                .from_image(&reference.name)
                .tag(&reference.tag)
                .build();
            let answers = client.create_image(Some(options), None, auth);
            let mut chunks = std::pin::pin!(answers.ready_chunks(256));
            while let Some(chunk) = chunks.next().await {
                let mut batch = Vec::with_capacity(chunk.len());
                for answer in chunk {
                    let info = answer?;
                    if let Some(message) = info.error_detail.and_then(|detail| detail.message) {
                        return Err(CommandError::new(ErrorCode::Refused, message));
                    }
                    let (current, total) = info
                        .progress_detail
                        .map_or((None, None), |progress| (progress.current, progress.total));
                    let layer = info.id.unwrap_or_default();
                    batch.push(PullStep {
                        layer,
                        status: info.status.unwrap_or_default(),
                        current,
                        total,
                    });
                }
                flow.ready().await;
                steps.send(batch).map_err(page_gone)?;
            }
            Ok(())
        })
        .await
}

/// Removes an image by name or id; `force` removes it under all its names and from stopped containers.
#[tauri::command]
pub async fn image_delete(
    engine: State<'_, Engine>,
    name: String,
    force: bool,
) -> Result<(), CommandError> {
    let options = RemoveImageOptionsBuilder::new().force(force).build();
    engine
        .client()?
        .remove_image(&name, Some(options), None)
        .await?;
    Ok(())
}

/// A reference split as the API's `fromImage` and `tag` want it. The engine judges the grammar.
#[derive(Debug, PartialEq, Eq)]
struct Pullable {
    name: String,
    /// A tag or a digest.
    tag: String,
}

impl Pullable {
    fn parse(reference: &str) -> Result<Self, CommandError> {
        let reference = reference.trim();
        if reference.is_empty() {
            return Err(CommandError::new(
                ErrorCode::InvalidInput,
                "name an image, such as nginx or ghcr.io/owner/app:1.2",
            ));
        }
        let split = |at: usize| Self {
            name: reference[..at].to_owned(),
            tag: reference[at + 1..].to_owned(),
        };
        if let Some(at) = reference.find('@') {
            return Ok(split(at));
        }
        // A colon before the last slash belongs to a registry's port.
        let last = reference.rfind('/').map_or(0, |slash| slash + 1);
        Ok(match reference[last..].find(':') {
            Some(colon) => split(last + colon),
            None => Self {
                name: reference.to_owned(),
                tag: "latest".to_owned(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_split_at_its_tag_or_digest() {
        for (reference, name, tag) in [
            ("nginx", "nginx", "latest"),
            (" nginx:1.27 ", "nginx", "1.27"),
            ("localhost:5000/a/b", "localhost:5000/a/b", "latest"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b", "c"),
            ("a/b@sha256:00", "a/b", "sha256:00"),
        ] {
            let expected = Pullable {
                name: name.into(),
                tag: tag.into(),
            };
            assert_eq!(Pullable::parse(reference).expect(reference), expected);
        }
        assert_eq!(
            Pullable::parse("  ").expect_err("empty").code,
            ErrorCode::InvalidInput
        );
    }
}
