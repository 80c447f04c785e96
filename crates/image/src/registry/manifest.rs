//! Manifests and lists of them, Docker's and OCI's.

use serde::Deserialize;

use crate::{Digest, ImageError, Platform};

/// Largest manifest or list.
pub(super) const MAX_MANIFEST: u64 = 4 << 20;

/// All that we take, best first.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1, \
    application/json;q=0.1";

/// Points to content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    #[serde(deserialize_with = "digest")]
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(flatten)]
    descriptor: Descriptor,
    platform: Option<EntryPlatform>,
}

#[derive(Debug, Deserialize)]
struct EntryPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u64,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Entry>>,
}

/// What a registry has under a name.
#[derive(Debug)]
pub(crate) enum Manifest {
    /// One image.
    Image {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
    /// One image a platform.
    List(List),
    /// Docker's first schema.
    Schema1,
}

/// A list's entries.
#[derive(Debug)]
pub(crate) struct List(Vec<Entry>);

impl Manifest {
    pub(crate) fn parse(json: &[u8]) -> Result<Manifest, ImageError> {
        let malformed = |detail: String| ImageError::Malformed {
            what: "image manifest",
            detail,
        };
        let raw: Raw =
            serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        if raw.schema_version == 1 {
            return Ok(Manifest::Schema1);
        }
        // What could be read as both is read differently by different programs (CVE-2021-41190).
        match (raw.schema_version, raw.config, raw.layers, raw.manifests) {
            (2, Some(config), layers, None) => Ok(Manifest::Image {
                config,
                layers: layers.unwrap_or_default(),
            }),
            (2, None, None, Some(entries)) => Ok(Manifest::List(List(entries))),
            (2, ..) => Err(malformed(
                "neither an image nor a list of images".to_owned(),
            )),
            (version, ..) => Err(malformed(format!(
                "schema version {version} is not supported"
            ))),
        }
    }
}

impl List {
    /// The image for a platform.
    pub(crate) fn select(self, wanted: &Platform) -> Result<Descriptor, ImageError> {
        let lone = self.0.len() == 1;
        self.0
            .into_iter()
            .find(|entry| match &entry.platform {
                Some(offered) => wanted.accepts(&Platform {
                    os: offered.os.clone(),
                    architecture: offered.architecture.clone(),
                    variant: offered
                        .variant
                        .clone()
                        .filter(|variant| !variant.is_empty()),
                }),
                None => lone,
            })
            .map(|entry| entry.descriptor)
            .ok_or_else(|| ImageError::NoPlatform {
                platform: wanted.clone(),
            })
    }
}

/// An artifact of another kind (a chart, a plugin) is not run.
pub(crate) fn check_config_type(media_type: &str) -> Result<(), ImageError> {
    match media_type {
        "application/vnd.docker.container.image.v1+json"
        | "application/vnd.oci.image.config.v1+json"
        | "application/octet-stream"
        | "" => Ok(()),
        "application/vnd.docker.plugin.v1+json" => Err(unsupported(
            "encountered remote \"application/vnd.docker.plugin.v1+json\"(plugin) when fetching",
        )),
        other => Err(unsupported(&format!(
            "unsupported config media type {:?}",
            other.escape_debug().to_string()
        ))),
    }
}

/// The compression itself is told from the bytes.
pub(crate) fn check_layer_type(media_type: &str) -> Result<(), ImageError> {
    let known = media_type.is_empty()
        || media_type == "application/octet-stream"
        || media_type.starts_with("application/vnd.docker.image.rootfs.")
        || media_type.starts_with("application/vnd.oci.image.layer.");
    if known && !media_type.contains("encrypted") {
        return Ok(());
    }
    Err(unsupported(&format!(
        "unsupported layer media type {:?}",
        media_type.escape_debug().to_string()
    )))
}

fn unsupported(detail: &str) -> ImageError {
    ImageError::Malformed {
        what: "image manifest",
        detail: detail.chars().take(300).collect(),
    }
}

fn digest<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn entry(platform: &str) -> String {
        format!(r#"{{"mediaType":"m","digest":"{D}","size":7{platform}}}"#)
    }

    fn list(entries: &[String]) -> List {
        let json = format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            entries.join(",")
        );
        match Manifest::parse(json.as_bytes()) {
            Ok(Manifest::List(list)) => list,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tells_images_lists_and_old_schemas_apart() {
        let descriptor = entry("");
        let image =
            format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor}]}}"#);
        assert!(
            matches!(Manifest::parse(image.as_bytes()), Ok(Manifest::Image { layers, .. }) if layers.len() == 1)
        );
        assert!(matches!(
            Manifest::parse(br#"{"schemaVersion":1,"fsLayers":[]}"#),
            Ok(Manifest::Schema1)
        ));
        let both =
            format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[],"manifests":[]}}"#);
        for bad in [
            both.as_str(),
            "{}",
            "[]",
            r#"{"schemaVersion":2}"#,
            r#"{"schemaVersion":3,"manifests":[]}"#,
        ] {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let negative = image.replace("\"size\":7", "\"size\":-7");
        assert!(Manifest::parse(negative.as_bytes()).is_err());
        let climbing = image.replace(&D[7..20], "../../../../../");
        assert!(Manifest::parse(climbing.as_bytes()).is_err());
    }

    #[test]
    fn selects_by_platform() {
        let wanted: Platform = "linux/arm64".parse().expect("platform");
        let amd = entry(r#","platform":{"os":"linux","architecture":"amd64"}"#);
        let arm = entry(r#","platform":{"os":"linux","architecture":"arm64","variant":"v8"}"#);
        let attestation = entry(r#","platform":{"os":"unknown","architecture":"unknown"}"#);
        assert!(
            list(&[amd.clone(), attestation.clone(), arm])
                .select(&wanted)
                .is_ok()
        );
        assert_eq!(
            list(&[amd, attestation])
                .select(&wanted)
                .expect_err("none")
                .to_string(),
            "no matching manifest for linux/arm64 in the manifest list entries"
        );
        assert!(list(&[entry("")]).select(&wanted).is_ok());
    }
}
