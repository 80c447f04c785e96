//! Image references by Docker's grammar: `[domain/]path[:tag][@digest]`.
//!
//! <https://github.com/distribution/reference>

mod grammar;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::{Digest, InvalidDigest};

/// The registry that names without a domain mean.
pub const DOCKER_IO: &str = "docker.io";

/// A normalised reference. It always has a tag or a digest.
///
/// `Display` writes it in full (`docker.io/library/x:latest`), [`Reference::familiar`] as people write it (`x:latest`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no reference. The words are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Outside the grammar.
    #[error("invalid reference format")]
    Format,
    /// Upper case in the repository's path.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// A name that could be taken for an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// More than 255 characters.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The digest after `@`.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl Reference {
    /// Parses what a person wrote and normalises it: `x` becomes `docker.io/library/x:latest`; a digest gets no tag.
    pub fn parse(text: &str) -> Result<Reference, InvalidReference> {
        grammar::parse(text)
    }

    /// Whether the text has neither tag nor digest, so that it may mean a whole repository.
    pub fn is_name_only(text: &str) -> bool {
        let last = text.rsplit('/').next().unwrap_or(text);
        !last.contains([':', '@'])
    }

    /// The registry: `docker.io`, `localhost:5000`, …
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path at the registry: `library/x`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Domain and path: `docker.io/library/x`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Domain and path as people write it: `x`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DOCKER_IO {
            return self.name();
        }
        match self.path.strip_prefix("library/") {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            // `docker.io/a.b/c` would be read back as the registry `a.b`.
            _ if grammar::starts_with_domain(&self.path) => self.name(),
            _ => self.path.clone(),
        }
    }

    /// As people write it: `x:latest`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    /// The same repository with a digest instead of the tag.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The same repository with another tag instead.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, InvalidReference> {
        if !grammar::is_tag(tag) {
            return Err(InvalidReference::Format);
        }
        Ok(Reference {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// Whether both name the same repository.
    pub fn same_repository(&self, other: &Reference) -> bool {
        self.domain == other.domain && self.path == other.path
    }

    fn with_suffix(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name = format!("{name}:{tag}");
        }
        if let Some(digest) = &self.digest {
            name = format!("{name}@{digest}");
        }
        name
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Reference, InvalidReference> {
        Reference::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}
