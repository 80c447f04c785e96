//! An image's config as it came.

use std::collections::BTreeMap;

use oci_spec::image::ImageConfiguration;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{Digest, ImageError, ImageId, Platform};

/// Largest config.
pub(crate) const MAX_CONFIG: u64 = 4 << 20;
/// Overlayfs takes no more (`OVL_MAX_STACK`).
const MAX_LAYERS: usize = 500;

/// A config that makes sense.
#[derive(Debug, Clone)]
pub(crate) struct ParsedConfig {
    pub(crate) id: ImageId,
    pub(crate) json: Vec<u8>,
    pub(crate) config: ImageConfiguration,
    pub(crate) diff_ids: Vec<Digest>,
}

impl ParsedConfig {
    pub(crate) fn parse(json: Vec<u8>) -> Result<ParsedConfig, ImageError> {
        let malformed = |detail: String| ImageError::Malformed {
            what: "image config",
            detail,
        };
        if json.len() as u64 > MAX_CONFIG {
            return Err(ImageError::TooLarge {
                what: "image config",
                limit: MAX_CONFIG,
            });
        }
        let mut value: Value =
            serde_json::from_slice(&json).map_err(|error| malformed(error.to_string()))?;
        add_diff_ids(&mut value);
        let mut config: ImageConfiguration =
            serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        if config.rootfs().typ() != "layers" {
            return Err(malformed("rootfs is not of type \"layers\"".to_owned()));
        }
        let diff_ids: Vec<Digest> = config
            .rootfs()
            .diff_ids()
            .iter()
            .map(|diff_id| diff_id.parse())
            .collect::<Result<_, _>>()?;
        if diff_ids.len() > MAX_LAYERS {
            return Err(malformed(format!(
                "{} layers: max depth exceeded",
                diff_ids.len()
            )));
        }
        sort_sets(&mut config);
        Ok(ParsedConfig {
            id: ImageId::new(Digest::of(&json)),
            json,
            config,
            diff_ids,
        })
    }

    /// Platform that the config names.
    pub(crate) fn platform(&self) -> Platform {
        Platform::of_config(&self.config)
    }

    /// When it was built.
    pub(crate) fn created(&self) -> OffsetDateTime {
        time_of(self.config.created().as_deref())
    }
}

/// A time of a config; the epoch where there is none or it makes no sense.
pub(crate) fn time_of(text: Option<&str>) -> OffsetDateTime {
    text.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The labels of a config.
pub(crate) fn labels(config: &ImageConfiguration) -> BTreeMap<String, String> {
    let labels = config
        .config()
        .as_ref()
        .and_then(|config| config.labels().as_ref());
    labels
        .map(|labels| labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
        .unwrap_or_default()
}

/// An image without layers has no `diff_ids` with Docker, and null with BuildKit.
fn add_diff_ids(config: &mut Value) {
    if let Some(rootfs) = config.get_mut("rootfs").and_then(Value::as_object_mut)
        && rootfs.get("diff_ids").is_none_or(Value::is_null)
    {
        rootfs.insert("diff_ids".to_owned(), Value::Array(Vec::new()));
    }
}

/// `ExposedPorts` and `Volumes` are sets in JSON and come in any order from the parser.
fn sort_sets(config: &mut ImageConfiguration) {
    let Some(mut run) = config.config().clone() else {
        return;
    };
    for (sorted, set) in [
        (run.exposed_ports().clone(), true),
        (run.volumes().clone(), false),
    ] {
        let Some(mut names) = sorted else { continue };
        names.sort();
        if set {
            run.set_exposed_ports(Some(names));
        } else {
            run.set_volumes(Some(names));
        }
    }
    config.set_config(Some(run));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_dockers_images_have() {
        let json = br#"{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05.123456789Z",
            "config":{"Env":null,"Cmd":["sh"],"Volumes":{"/b":{},"/a":{}},"Labels":null,"Healthcheck":{"Test":["NONE"]}},
            "rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
            "history":[{"created_by":"x"}],"docker_version":"27"}"#;
        let parsed = ParsedConfig::parse(json.to_vec()).expect("config");
        assert_eq!(parsed.diff_ids, [Digest::of(b"")]);
        assert_eq!(
            parsed.created().unix_timestamp_nanos(),
            1_704_164_645_123_456_789
        );
        let run = parsed.config.config().as_ref().expect("config");
        assert_eq!(
            run.volumes().as_deref(),
            Some(&["/a".to_owned(), "/b".to_owned()][..])
        );
    }

    #[test]
    fn an_image_may_have_no_layers() {
        for rootfs in [
            r#"{"type":"layers"}"#,
            r#"{"type":"layers","diff_ids":null}"#,
        ] {
            let json = format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{rootfs}}}"#);
            let parsed = ParsedConfig::parse(json.clone().into_bytes()).expect(&json);
            assert!(parsed.diff_ids.is_empty());
            assert_eq!(parsed.id.digest(), Digest::of(json.as_bytes()));
        }
    }

    #[test]
    fn refuses_nonsense() {
        let deep = "[".repeat(100_000);
        let many: Vec<String> = (0..501)
            .map(|_| format!("\"{}\"", Digest::of(b"")))
            .collect();
        let many = format!(
            r#"{{"architecture":"a","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            many.join(",")
        );
        for json in [
            "",
            "{}",
            &deep,
            &many,
            r#"{"architecture":"a","os":"linux","rootfs":{"type":"other","diff_ids":[]}}"#,
            r#"{"architecture":"a","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}}"#,
        ] {
            assert!(
                ParsedConfig::parse(json.as_bytes().to_vec()).is_err(),
                "{}",
                &json[..json.len().min(80)]
            );
        }
    }
}
