//! Names of containers: Docker's grammar, and random ones for those that get none.

use rand::RngExt as _;

use crate::error::{Error, Result};

/// Checks a name a person gave; a leading `/` is taken off, as the API shows it.
pub fn parse(text: &str) -> Result<String> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest =
        bytes.len() > 0 && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && name.len() <= 255 {
        Ok(name.to_owned())
    } else {
        Err(Error::invalid(format!(
            "Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            text.chars().take(300).collect::<String>().escape_debug()
        )))
    }
}

/// A name such as `brave_hopper`; from the third try on with a number, as Docker's.
pub fn random(tries: u32) -> String {
    let mut rng = rand::rng();
    let mut pick = |words: &[&'static str]| words[rng.random_range(0..words.len())];
    let mut name = format!("{}_{}", pick(ADJECTIVES), pick(PEOPLE));
    if tries > 2 {
        name.push_str(&rand::rng().random_range(0..1000_u32).to_string());
    }
    name
}

const ADJECTIVES: &[&str] = &[
    "able", "amused", "awake", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid",
    "cheerful", "clever", "cosy", "crisp", "curious", "daring", "deft", "eager", "earnest", "easy",
    "fair", "fearless", "fine", "fluent", "fond", "frank", "gentle", "glad", "graceful", "hardy",
    "honest", "hopeful", "jolly", "keen", "kind", "lively", "lucid", "lucky", "mellow", "merry",
    "mild", "modest", "neat", "nimble", "noble", "patient", "plucky", "polite", "proud", "quick",
    "quiet", "ready", "serene", "sharp", "shy", "silent", "sincere", "smart", "snug", "sound",
    "spry", "steady", "sturdy", "sunny", "swift", "tender", "tidy", "true", "upbeat", "vivid",
    "warm", "wise", "witty", "zealous", "zesty",
];

const PEOPLE: &[&str] = &[
    "abel",
    "archimedes",
    "babbage",
    "banach",
    "bartik",
    "bell",
    "blackwell",
    "bohr",
    "boole",
    "brahmagupta",
    "cannon",
    "cantor",
    "carson",
    "cerf",
    "chandrasekhar",
    "cori",
    "curie",
    "darwin",
    "dijkstra",
    "elion",
    "engelbart",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "goodall",
    "hamilton",
    "hawking",
    "heisenberg",
    "herschel",
    "hodgkin",
    "hopper",
    "hypatia",
    "joliot",
    "kalam",
    "kepler",
    "khayyam",
    "kilby",
    "knuth",
    "kowalevski",
    "lamport",
    "lamarr",
    "leakey",
    "leavitt",
    "liskov",
    "lovelace",
    "mcclintock",
    "meitner",
    "mendel",
    "mirzakhani",
    "morse",
    "nash",
    "newton",
    "noether",
    "pascal",
    "pasteur",
    "perlman",
    "planck",
    "poincare",
    "ramanujan",
    "ride",
    "ritchie",
    "rosalind",
    "sammet",
    "shannon",
    "shockley",
    "sinoussi",
    "snyder",
    "spence",
    "tesla",
    "thompson",
    "torvalds",
    "turing",
    "varahamihira",
    "wiles",
    "wozniak",
    "wu",
    "yalow",
    "yonath",
    "zhukovsky",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_docker_s() {
        for name in ["web", "a1", "A_b.c-d", "/web", &"a".repeat(255)] {
            assert!(parse(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "a",
            "/",
            "-a",
            ".a",
            "a b",
            "a/b",
            "ä1",
            "a\n",
            &"a".repeat(256),
        ] {
            assert!(parse(name).is_err(), "{name:?}");
        }
        assert_eq!(parse("/web").unwrap(), "web");
    }

    #[test]
    fn every_random_name_is_a_name() {
        for adjective in ADJECTIVES {
            for person in PEOPLE {
                let name = format!("{adjective}_{person}");
                assert_eq!(parse(&name).unwrap(), name);
            }
        }
        assert!(random(3).ends_with(|c: char| c.is_ascii_digit()));
    }
}
