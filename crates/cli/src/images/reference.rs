//! An image's name, as people write and read it.

use crate::error::{CliError, Result};

const HUB: &str = "docker.io";

/// A name with its registry, tag and digest told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
    is_id: bool,
}

impl Reference {
    /// Reads a name; the daemon checks it to the letter, this only what tells a typing error from a missing image.
    pub fn parse(text: &str) -> Result<Reference> {
        let wrong =
            |why: &str| CliError::invalid(format!("invalid reference format{why}: {text:?}"));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if digest.contains(':') => (rest, Some(digest.to_owned())),
            Some(_) => return Err(wrong("")),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let (registry, path) = match name.split_once('/') {
            Some((host, path))
                if host.contains(['.', ':'])
                    || host == "localhost"
                    || host.contains(|c: char| c.is_ascii_uppercase()) =>
            {
                (host, path.to_owned())
            }
            Some(_) => (HUB, name.to_owned()),
            None => (HUB, format!("library/{name}")),
        };
        let (registry, path) = match (registry, path.contains('/')) {
            ("index.docker.io", _) => (HUB, path),
            (HUB, false) => (HUB, format!("library/{path}")),
            _ => (registry, path),
        };
        if path.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(wrong(": repository name must be lowercase"));
        }
        let well = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
                && !part.starts_with(['.', '-', '_'])
                && !part.ends_with(['.', '-', '_'])
        };
        let tag_well = |tag: &String| {
            (1..=128).contains(&tag.len())
                && tag
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
                && !tag.starts_with(['.', '-'])
        };
        if name.is_empty()
            || !path.split('/').all(well)
            || tag.as_ref().is_some_and(|tag| !tag_well(tag))
        {
            return Err(wrong(""));
        }
        Ok(Reference {
            registry: registry.to_owned(),
            is_id: text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            path,
            tag,
            digest,
        })
    }

    /// Whether it is an image's id rather than a name.
    pub fn is_id(&self) -> bool {
        self.is_id
    }

    /// The repository as people write it: `alpine`, `me/x`, `reg:5000/x`.
    pub fn repository(&self) -> String {
        if self.registry == HUB {
            self.path
                .strip_prefix("library/")
                .unwrap_or(&self.path)
                .to_owned()
        } else {
            format!("{}/{}", self.registry, self.path)
        }
    }

    /// The registry.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The tag, or the digest, or `latest`.
    pub fn tag_or_digest(&self) -> &str {
        self.digest
            .as_deref()
            .or(self.tag.as_deref())
            .unwrap_or("latest")
    }

    /// Whether neither tag nor digest was given.
    pub fn is_bare(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// As people write it, with its tag: `alpine:latest`.
    pub fn familiar(&self) -> String {
        self.named(self.repository())
    }

    /// In full: `docker.io/library/alpine:latest`.
    pub fn canonical(&self) -> String {
        self.named(format!("{}/{}", self.registry, self.path))
    }

    fn named(&self, repository: String) -> String {
        let mut name = repository;
        if let Some(tag) = self
            .tag
            .as_deref()
            .or(self.digest.is_none().then_some("latest"))
        {
            name = format!("{name}:{tag}");
        }
        if let Some(digest) = &self.digest {
            name = format!("{name}@{digest}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        let both = |text: &str| match Reference::parse(text) {
            Ok(reference) => format!("{} {}", reference.familiar(), reference.canonical()),
            Err(error) => error.to_string(),
        };
        let texts = [
            "alpine",
            "docker.io/alpine:3",
            "docker/getting-started",
            "127.0.0.1:5000/a/b",
            "localhost/x:1",
            "x@sha256:ab",
            "x:1@sha256:ab",
            "Alpine",
            "a//b",
            "",
            "a:",
            "a b",
            "x@y",
            "-x",
        ];
        let text: Vec<_> = texts.iter().map(|text| both(text)).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        alpine:latest docker.io/library/alpine:latest
        alpine:3 docker.io/library/alpine:3
        docker/getting-started:latest docker.io/docker/getting-started:latest
        127.0.0.1:5000/a/b:latest 127.0.0.1:5000/a/b:latest
        localhost/x:1 localhost/x:1
        x@sha256:ab docker.io/library/x@sha256:ab
        x:1@sha256:ab docker.io/library/x:1@sha256:ab
        invalid reference format: repository name must be lowercase: "Alpine"
        invalid reference format: "a//b"
        invalid reference format: ""
        invalid reference format: "a:"
        invalid reference format: "a b"
        invalid reference format: "x@y"
        invalid reference format: "-x"
        "#);
        assert!(Reference::parse(&"a".repeat(64)).unwrap().is_id());
    }
}
