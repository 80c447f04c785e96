//! Operating system and processor that an image is made for.

use std::fmt;
use std::str::FromStr;

/// A platform, written `os/architecture[/variant]` in Go's words (`linux/arm/v7`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7`, `v8`, or none said.
    pub variant: Option<String>,
}

/// The text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: unknown operating system or architecture: invalid argument")]
pub struct InvalidPlatform(String);

impl Platform {
    /// The one this program runs on.
    pub fn host() -> Platform {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", None),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// The one that an image's config names.
    pub(crate) fn of_config(config: &oci_spec::image::ImageConfiguration) -> Platform {
        Platform {
            os: config.os().to_string(),
            architecture: config.architecture().to_string(),
            variant: config
                .variant()
                .clone()
                .filter(|variant| !variant.is_empty()),
        }
    }

    /// Whether an image made for `offered` runs on this platform. An arm64 without a variant is v8; a variant not
    /// asked for is not compared.
    pub fn accepts(&self, offered: &Platform) -> bool {
        fn variant(platform: &Platform) -> Option<&str> {
            match (platform.architecture.as_str(), platform.variant.as_deref()) {
                ("arm64", None | Some("v8")) | ("amd64", None | Some("v1")) => None,
                (_, variant) => variant,
            }
        }
        self.os == offered.os
            && self.architecture == offered.architecture
            && variant(self).is_none_or(|wanted| variant(offered).is_none_or(|has| has == wanted))
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Platform, InvalidPlatform> {
        let invalid = || InvalidPlatform(text.chars().take(100).collect());
        let mut parts = text.split('/');
        let mut next = || match parts.next() {
            None => Ok(None),
            Some(part)
                if !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) =>
            {
                Ok(Some(part.to_ascii_lowercase()))
            }
            Some(_) => Err(invalid()),
        };
        let (first, second, variant, rest) = (next()?, next()?, next()?, next()?);
        if rest.is_some() {
            return Err(invalid());
        }
        let (os, architecture) = match (first, second) {
            (Some(os), Some(architecture)) => (os, architecture),
            (Some(os), None) if os == "linux" => (os, Platform::host().architecture),
            (Some(architecture), None) => ("linux".to_owned(), architecture),
            (None, _) => return Err(invalid()),
        };
        let architecture = match architecture.as_str() {
            "x86_64" | "x86-64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            "i386" => "386".to_owned(),
            "armhf" => "arm".to_owned(),
            _ => architecture,
        };
        Ok(Platform {
            os,
            architecture,
            variant,
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect("a platform")
    }

    #[test]
    fn reads_and_writes() {
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
        assert_eq!(platform("linux/x86_64").to_string(), "linux/amd64");
        assert_eq!(platform("arm64").to_string(), "linux/arm64");
        for bad in [
            "",
            "/",
            "linux/",
            "a/b/c/d",
            "linux/am d64",
            "lin\u{fc}x/amd64",
        ] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn matches_variants() {
        assert!(platform("linux/arm64").accepts(&platform("linux/arm64/v8")));
        assert!(platform("linux/arm64/v8").accepts(&platform("linux/arm64")));
        assert!(platform("linux/arm/v7").accepts(&platform("linux/arm/v7")));
        assert!(!platform("linux/arm/v7").accepts(&platform("linux/arm/v6")));
        assert!(!platform("linux/amd64").accepts(&platform("linux/arm64")));
    }
}
