//! What to show a registry: from `auths` in `config.json`, or from the credential programs that it names
//! (`credsStore`, `credHelpers`).

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config_file::ConfigFile;
use crate::error::{CliError, Result};

/// The key that docker keeps its Hub's credentials under.
pub const HUB: &str = "https://index.docker.io/v1/";
/// The user name that stands for "the secret is an identity token".
const TOKEN_USER: &str = "<token>";

/// What is sent to the daemon as `X-Registry-Auth`.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// The account.
    pub username: String,
    /// Its password or access token.
    pub password: String,
    /// The registry.
    pub serveraddress: String,
    /// Stands for user and password where the registry gave one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub identitytoken: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Credentials({}@{}, secret)",
            self.username, self.serveraddress
        )
    }
}

impl Credentials {
    /// The header's value.
    pub fn header(&self) -> String {
        // Five texts always serialise.
        BASE64_URL_SAFE.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The key of `auths` for a registry, which people may write as an address (`https://reg:5000/v2/`).
pub fn auth_key(registry: &str) -> &str {
    match bare(registry) {
        "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}

fn bare(address: &str) -> &str {
    let address = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .unwrap_or(address);
    address.split('/').next().unwrap_or(address)
}

/// The keys of `auths` that mean the registry of `key`, as older programs wrote them too; the very one first.
fn known_as(config: &ConfigFile, key: &str) -> Vec<String> {
    let mut keys = vec![key.to_owned()];
    // The Hub's other addresses hold tokens for other ends.
    if key != HUB {
        let others = config.keys("auths").filter(|other| bare(other) == key);
        keys.extend(others.filter(|other| *other != key).map(str::to_owned));
    }
    keys
}

/// What `config` knows for the registry under `key`.
pub fn find(config: &ConfigFile, key: &str) -> Result<Option<Credentials>> {
    match program(config, key) {
        Some(program) => ask(&program, key),
        None => Ok(stored(config, key)),
    }
}

/// The credential program in charge of `key`.
fn program(config: &ConfigFile, key: &str) -> Option<String> {
    let suffix = config
        .entry("credHelpers", key)
        .and_then(|value| value.as_str())
        .or_else(|| config.text("credsStore"))?;
    // The name becomes a program's: a slash would reach out of PATH.
    (!suffix.contains(['/', '\\'])).then(|| format!("docker-credential-{suffix}"))
}

fn stored(config: &ConfigFile, key: &str) -> Option<Credentials> {
    let keys = known_as(config, key);
    let entry = keys.iter().find_map(|key| config.entry("auths", key))?;
    let text = |name: &str| {
        entry
            .get(name)
            .and_then(|v| v.as_str())
            .unwrap_or("")
            .to_owned()
    };
    let decoded = BASE64_STANDARD.decode(text("auth")).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded).into_owned();
    let (username, password) = decoded
        .split_once(':')
        .map(|(user, password)| (user.to_owned(), password.trim_end_matches('\0').to_owned()))
        .unwrap_or_else(|| (text("username"), text("password")));
    let identitytoken = text("identitytoken");
    if username.is_empty() && identitytoken.is_empty() {
        return None;
    }
    Some(Credentials {
        username,
        password,
        identitytoken,
        serveraddress: key.to_owned(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

fn ask(program: &str, key: &str) -> Result<Option<Credentials>> {
    let (ok, output) = talk(program, "get", key.as_bytes())?;
    if !ok {
        // "credentials not found in native keychain" is the protocol's word for none.
        return if output.contains("credentials not found") {
            Ok(None)
        } else {
            Err(CliError::invalid(format!(
                "{program} get: {}",
                output.trim()
            )))
        };
    }
    let answer: Answer = serde_json::from_str(&output)
        .map_err(|error| CliError::invalid(format!("{program} get: {error}")))?;
    Ok(Some(if answer.username == TOKEN_USER {
        Credentials {
            identitytoken: answer.secret,
            serveraddress: key.to_owned(),
            ..Credentials::default()
        }
    } else {
        Credentials {
            username: answer.username,
            password: answer.secret,
            serveraddress: key.to_owned(),
            ..Credentials::default()
        }
    }))
}

/// Runs a credential program: its protocol is one word of what to do, and text in and out.
fn talk(program: &str, verb: &str, input: &[u8]) -> Result<(bool, String)> {
    let mut child = Command::new(program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| {
            CliError::invalid(format!(
                "{program}, which keeps the passwords by the word of config.json (credsStore or credHelpers), can't be \
                 run: {error}"
            ))
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that doesn't read says why by its output.
        let _ = stdin.write_all(input);
    }
    let output = child
        .wait_with_output()
        .map_err(CliError::file("run", program))?;
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

/// Keeps `credentials` where `config` says; the file is written.
pub fn keep(config: &mut ConfigFile, key: &str, credentials: &Credentials) -> Result<Kept> {
    let by_token = !credentials.identitytoken.is_empty();
    if let Some(program) = program(config, key) {
        let (username, secret) = if by_token {
            (TOKEN_USER, &credentials.identitytoken)
        } else {
            (credentials.username.as_str(), &credentials.password)
        };
        let body = json!({"ServerURL": key, "Username": username, "Secret": secret}).to_string();
        let (ok, output) = talk(&program, "store", body.as_bytes())?;
        if !ok {
            return Err(CliError::invalid(format!(
                "{program} store: {}",
                output.trim()
            )));
        }
        config.set_entry("auths", key, Some(json!({})));
        config.save()?;
        return Ok(Kept::ByProgram);
    }
    let auth = BASE64_STANDARD.encode(format!("{}:{}", credentials.username, credentials.password));
    let mut entry = json!({ "auth": auth });
    if by_token {
        entry = json!({"auth": BASE64_STANDARD.encode(format!("{}:", credentials.username)), "identitytoken": credentials.identitytoken});
    }
    config.set_entry("auths", key, Some(entry));
    config.save()?;
    Ok(Kept::InFile)
}

/// Forgets what is known for `key`; whether there was anything.
pub fn forget(config: &mut ConfigFile, key: &str) -> Result<bool> {
    let keys = known_as(config, key);
    let mut known = keys.iter().any(|key| config.entry("auths", key).is_some());
    if let Some(program) = program(config, key) {
        for key in &keys {
            known |= talk(&program, "erase", key.as_bytes())?.0;
        }
    }
    if known {
        for key in &keys {
            config.set_entry("auths", key, None);
        }
        config.save()?;
    }
    Ok(known)
}

/// Where credentials went.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept {
    /// Into `config.json`, readable to whoever reads that.
    InFile,
    /// To a credential program.
    ByProgram,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_credentials_are_decoded() {
        let file = br#"{"auths":{"reg:5000":{"auth":"bWU6cGE6c3M="},"t":{"auth":"bWU6","identitytoken":"tok"},"e":{}}}"#;
        let config = ConfigFile::parse(None, file).unwrap();
        let found = find(&config, auth_key("reg:5000")).unwrap().unwrap();
        assert_eq!(
            (found.username.as_str(), found.password.as_str()),
            ("me", "pa:ss")
        );
        assert!(!format!("{found:?}").contains("pa:ss"));
        assert_eq!(find(&config, "t").unwrap().unwrap().identitytoken, "tok");
        assert_eq!(find(&config, "e").unwrap(), None);
    }

    #[test]
    fn a_registry_has_one_key_however_it_is_written() {
        for text in ["reg:5000", "https://reg:5000", "http://reg:5000/v2/"] {
            assert_eq!(auth_key(text), "reg:5000");
        }
        for text in ["", "docker.io", HUB, "https://registry-1.docker.io"] {
            assert_eq!(auth_key(text), HUB);
        }
        let file = br#"{"auths":{"https://reg:5000/v1/":{"auth":"bWU6cA=="},"https://index.docker.io/v1/access-token":{"auth":"eDp5"}}}"#;
        let mut config = ConfigFile::parse(None, file).unwrap();
        assert_eq!(find(&config, "reg:5000").unwrap().unwrap().username, "me");
        assert_eq!(find(&config, HUB).unwrap(), None);
        // There is no folder to keep the change in, but it has been made.
        assert!(forget(&mut config, "reg:5000").is_err());
        assert_eq!(find(&config, "reg:5000").unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_missing_credential_program_is_named() {
        let config = ConfigFile::parse(None, br#"{"credsStore":"gantry-test-none"}"#).unwrap();
        let error = find(&config, auth_key("docker.io")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("docker-credential-gantry-test-none")
        );
    }
}
