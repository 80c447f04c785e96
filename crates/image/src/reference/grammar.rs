//! The grammar itself, as `distribution/reference` has it in regular expressions.

use super::{DOCKER_IO, InvalidReference, Reference};
use crate::Digest;

const MAX_NAME: usize = 255;
/// No reference is longer: name, tag of 128, digest of 71, and the signs between.
const MAX_TEXT: usize = MAX_NAME + 1 + 128 + 1 + 71;

pub(super) fn parse(text: &str) -> Result<Reference, InvalidReference> {
    if is_id(text) {
        return Err(InvalidReference::LooksLikeId(text.to_owned()));
    }
    if text.len() > 2 * MAX_TEXT {
        return Err(InvalidReference::TooLong);
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (domain, rest) = split_domain(rest);
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    if path.bytes().any(|b| b.is_ascii_uppercase()) && is_path(&path.to_ascii_lowercase()) {
        return Err(InvalidReference::Uppercase(path.to_owned()));
    }
    if !is_path(path) || !is_domain(domain) || !tag.is_none_or(is_tag) {
        return Err(InvalidReference::Format);
    }
    let path = match domain {
        DOCKER_IO if !path.contains('/') => format!("library/{path}"),
        _ => path.to_owned(),
    };
    if domain.len() + 1 + path.len() > MAX_NAME {
        return Err(InvalidReference::TooLong);
    }
    let tag = match (tag, digest) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, Some(_)) => None,
        (None, None) => Some("latest".to_owned()),
    };
    Ok(Reference {
        domain: domain.to_owned(),
        path,
        tag,
        digest,
    })
}

/// 64 hex digits are an image id, never a name.
fn is_id(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn parse_digest(text: &str) -> Result<Digest, InvalidReference> {
    let (algorithm, digits) = text.split_once(':').ok_or(InvalidReference::Format)?;
    let word = |w: &str| {
        w.starts_with(|c: char| c.is_ascii_alphabetic())
            && w.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let fits = algorithm.split(['-', '_', '+', '.']).all(word)
        && digits.len() >= 32
        && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !fits {
        return Err(InvalidReference::Format);
    }
    Ok(text.parse()?)
}

/// The part before the first `/` is a domain only if it looks like one, else the name is Docker Hub's.
fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest)) if looks_like_domain(first) => (
            if first == "index.docker.io" {
                DOCKER_IO
            } else {
                first
            },
            rest,
        ),
        _ => (DOCKER_IO, text),
    }
}

fn looks_like_domain(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

/// Whether a path on Docker Hub would be taken for another registry if written without `docker.io/`.
pub(super) fn starts_with_domain(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(first, _)| looks_like_domain(first))
}

fn is_domain(text: &str) -> bool {
    let (host, port) = if text.starts_with('[') {
        match text.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, rest)) => match rest.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None => return false,
            },
            None => return false,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let host_fits = match host.strip_prefix('[') {
        Some(address) => {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        }
        None => host.split('.').all(is_domain_component),
    };
    host_fits && port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

fn is_domain_component(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(ends)
        && text.ends_with(ends)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_path(text: &str) -> bool {
    text.split('/').all(is_path_component)
}

/// Runs of `[a-z0-9]` with a separator between: one `.`, one or two `_`, or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let word = bytes[at..].iter().take_while(|b| is_word(**b)).count();
        if word == 0 {
            return false;
        }
        at += word;
        if at == bytes.len() {
            return true;
        }
        let separator = bytes[at..].iter().take_while(|b| !is_word(**b)).count();
        match &bytes[at..at + separator] {
            b"." | b"_" | b"__" => {}
            dashes if dashes.iter().all(|b| *b == b'-') => {}
            _ => return false,
        }
        at += separator;
    }
}

pub(super) fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}
