//! `--change`: some Dockerfile instructions, applied to a config.

use serde_json::{Map, Value, json};

use crate::ImageError;

/// A change that can't be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidChange {
    #[error("{0} is not a valid change command")]
    Command(String),
    #[error("{0} requires at least one argument")]
    NoArgument(&'static str),
    #[error("{0} requires exactly one argument")]
    OneArgument(&'static str),
    #[error("{command} must have names and values: {argument:?}")]
    NoValue {
        command: &'static str,
        argument: String,
    },
    #[error("unclosed quote in {0:?}")]
    Quote(String),
    #[error("invalid containerPort: {0}")]
    Port(String),
    #[error("unknown instruction after HEALTHCHECK: {0}")]
    Health(String),
}

impl From<InvalidChange> for ImageError {
    fn from(error: InvalidChange) -> ImageError {
        ImageError::InvalidInput(error.to_string())
    }
}

/// Applies the lines in order to the `config` object of an image's config.
pub(crate) fn apply(
    config: &mut Map<String, Value>,
    changes: &[String],
) -> Result<(), InvalidChange> {
    for line in changes.iter().flat_map(|change| change.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        one(config, &command.to_ascii_uppercase(), rest.trim())?;
    }
    Ok(())
}

fn one(config: &mut Map<String, Value>, command: &str, rest: &str) -> Result<(), InvalidChange> {
    match command {
        "CMD" => {
            config.insert("Cmd".into(), command_line(rest));
        }
        "ENTRYPOINT" => {
            config.insert("Entrypoint".into(), command_line(rest));
        }
        "ENV" => {
            for (name, value) in pairs("ENV", rest)? {
                set_env(config, &name, &value);
            }
        }
        "LABEL" => {
            for (name, value) in pairs("LABEL", rest)? {
                object(config, "Labels").insert(name, value.into());
            }
        }
        "EXPOSE" => {
            for port in some_words("EXPOSE", rest)? {
                for port in ports(&port)? {
                    object(config, "ExposedPorts").insert(port, json!({}));
                }
            }
        }
        "VOLUME" => {
            let paths = match json_words(rest) {
                Some(paths) => paths,
                None => some_words("VOLUME", rest)?,
            };
            for path in paths {
                if path.is_empty() {
                    return Err(InvalidChange::NoArgument("VOLUME"));
                }
                object(config, "Volumes").insert(path, json!({}));
            }
        }
        "USER" => drop(config.insert("User".into(), one_word("USER", rest)?.into())),
        "STOPSIGNAL" => {
            drop(config.insert("StopSignal".into(), one_word("STOPSIGNAL", rest)?.into()))
        }
        "WORKDIR" => {
            let path = one_word("WORKDIR", rest)?;
            let before = config
                .get("WorkingDir")
                .and_then(Value::as_str)
                .unwrap_or("/")
                .to_owned();
            config.insert("WorkingDir".into(), join(&before, &path).into());
        }
        "ONBUILD" if rest.is_empty() => return Err(InvalidChange::NoArgument("ONBUILD")),
        "ONBUILD" => match config.entry("OnBuild").or_insert_with(|| json!([])) {
            Value::Array(triggers) => triggers.push(rest.into()),
            other => *other = json!([rest]),
        },
        "HEALTHCHECK" => drop(config.insert("Healthcheck".into(), health(rest)?)),
        _ => return Err(InvalidChange::Command(command.chars().take(40).collect())),
    }
    Ok(())
}

fn object<'a>(config: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = config.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // Made one just above.
        _ => unreachable!(),
    }
}

fn set_env(config: &mut Map<String, Value>, name: &str, value: &str) {
    let line = format!("{name}={value}");
    match config.entry("Env").or_insert_with(|| json!([])) {
        Value::Array(lines) => {
            let same = |known: &&mut Value| {
                known
                    .as_str()
                    .and_then(|known| known.split_once('='))
                    .is_some_and(|(known, _)| known == name)
            };
            match lines.iter_mut().find(same) {
                Some(known) => *known = line.into(),
                None => lines.push(line.into()),
            }
        }
        other => *other = json!([line]),
    }
}

/// A JSON array is the command itself, anything else is for the shell.
fn command_line(rest: &str) -> Value {
    match json_words(rest) {
        Some(words) => json!(words),
        None if rest.is_empty() => Value::Null,
        None => json!(["/bin/sh", "-c", rest]),
    }
}

fn json_words(rest: &str) -> Option<Vec<String>> {
    if rest.starts_with('[') {
        serde_json::from_str(rest).ok()
    } else {
        None
    }
}

fn some_words(command: &'static str, rest: &str) -> Result<Vec<String>, InvalidChange> {
    let words = words(rest)?;
    if words.is_empty() {
        Err(InvalidChange::NoArgument(command))
    } else {
        Ok(words)
    }
}

fn one_word(command: &'static str, rest: &str) -> Result<String, InvalidChange> {
    let mut words = words(rest)?;
    match (words.pop(), words.is_empty()) {
        (Some(word), true) => Ok(word),
        _ => Err(InvalidChange::OneArgument(command)),
    }
}

/// `a=b c="d e"`, or the old form `a all the rest`.
fn pairs(command: &'static str, rest: &str) -> Result<Vec<(String, String)>, InvalidChange> {
    let words = some_words(command, rest)?;
    let no_value = |argument: &str| InvalidChange::NoValue {
        command,
        argument: argument.chars().take(100).collect(),
    };
    if !words[0].contains('=') {
        let (name, value) = rest
            .split_once(char::is_whitespace)
            .ok_or_else(|| no_value(rest))?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(no_value(word)),
        })
        .collect()
}

/// Words apart by white space, with quotes and backslashes as a shell has them.
fn words(text: &str) -> Result<Vec<String>, InvalidChange> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(InvalidChange::Quote(text.chars().take(100).collect())),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => into.extend(chars.next()),
                        Some(other) => into.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// `80`, `80/udp`, `8000-8010/tcp`
fn ports(text: &str) -> Result<Vec<String>, InvalidChange> {
    let invalid = || InvalidChange::Port(text.chars().take(40).collect());
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(invalid());
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u16, u16) = first
        .parse()
        .ok()
        .zip(last.parse().ok())
        .filter(|(first, last)| first <= last)
        .ok_or_else(invalid)?;
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

fn join(before: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let before = if path.starts_with('/') { "" } else { before };
    for part in before.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn health(rest: &str) -> Result<Value, InvalidChange> {
    let mut check = Map::new();
    let mut rest = rest;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option
            .split_once(char::is_whitespace)
            .unwrap_or((option, ""));
        rest = after.trim_start();
        let invalid =
            || InvalidChange::Health(format!("--{}", option.chars().take(60).collect::<String>()));
        let (name, value) = option.split_once('=').ok_or_else(invalid)?;
        let (key, value) = match name {
            "interval" => ("Interval", nanoseconds(value).ok_or_else(invalid)?),
            "timeout" => ("Timeout", nanoseconds(value).ok_or_else(invalid)?),
            "start-period" => ("StartPeriod", nanoseconds(value).ok_or_else(invalid)?),
            "start-interval" => ("StartInterval", nanoseconds(value).ok_or_else(invalid)?),
            "retries" => (
                "Retries",
                value.parse().ok().filter(|n| *n >= 0).ok_or_else(invalid)?,
            ),
            _ => return Err(invalid()),
        };
        check.insert(key.into(), value.into());
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    let test = match (kind.to_ascii_uppercase().as_str(), command) {
        ("NONE", "") => json!(["NONE"]),
        ("CMD", command) if !command.is_empty() => match json_words(command) {
            Some(words) => json!(
                std::iter::once("CMD".to_owned())
                    .chain(words)
                    .collect::<Vec<_>>()
            ),
            None => json!(["CMD-SHELL", command]),
        },
        _ => return Err(InvalidChange::Health(kind.chars().take(60).collect())),
    };
    check.insert("Test".into(), test);
    Ok(Value::Object(check))
}

/// Go's durations of whole numbers: `1m30s`, `500ms`.
fn nanoseconds(text: &str) -> Option<i64> {
    let (mut sum, mut rest) = (0i64, text);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(unit);
        let unit: i64 = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> Result<Value, InvalidChange> {
        let mut config = Map::new();
        let changes: Vec<String> = changes.iter().map(|line| (*line).to_owned()).collect();
        apply(&mut config, &changes)?;
        Ok(Value::Object(config))
    }

    #[test]
    fn understands_what_docker_does() {
        let config = changed(&[
            "CMD [\"a\", \"b c\"]",
            "entrypoint run me",
            "ENV A=1 B=\"2 3\" C=x\\ y\nENV A 4 5",
            "EXPOSE 80 53/udp 8000-8001",
            "VOLUME [\"/a b\"]",
            "VOLUME /c /d",
            "LABEL \"x y\"='1'",
            "USER 1000:1000",
            "WORKDIR /a",
            "WORKDIR b/../c",
            "STOPSIGNAL SIGINT",
            "ONBUILD RUN x",
            "HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f x",
        ]);
        assert_eq!(
            config.expect("config"),
            json!({
                "Cmd": ["a", "b c"],
                "Entrypoint": ["/bin/sh", "-c", "run me"],
                "Env": ["A=4 5", "B=2 3", "C=x y"],
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}},
                "Volumes": {"/a b": {}, "/c": {}, "/d": {}},
                "Labels": {"x y": "1"},
                "User": "1000:1000",
                "WorkingDir": "/a/c",
                "StopSignal": "SIGINT",
                "OnBuild": ["RUN x"],
                "Healthcheck": {"Interval": 90_000_000_000i64, "Retries": 3, "Test": ["CMD-SHELL", "curl -f x"]},
            })
        );
    }

    #[test]
    fn refuses_the_rest() {
        for bad in [
            "RUN x",
            "FROM y",
            "nonsense",
            "ENV",
            "ENV A",
            "ENV =x",
            "EXPOSE http",
            "EXPOSE 70000",
            "EXPOSE 9-8",
            "USER",
            "USER a b",
            "LABEL a=\"b",
            "HEALTHCHECK",
            "HEALTHCHECK --interval=x CMD y",
            "ONBUILD",
            "VOLUME [\"\"]",
        ] {
            assert!(changed(&[bad]).is_err(), "{bad}");
        }
    }
}
