//! Registry credentials from docker's `config.json`: `credHelpers`, `credsStore`, `auths`, in this order.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::engine::endpoint::docker_config_folder;
use crate::error::{CommandError, ErrorCode};
use crate::program;

/// The key under which `docker login` keeps Docker Hub's credentials.
const HUB: &str = "https://index.docker.io/v1/";

/// How long a credential helper may take: it may ask the person to unlock their keyring.
const HELPER_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: HashMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The key of the registry that `name` is pulled from.
pub fn registry(name: &str) -> &str {
    match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => match host {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB,
            host => host,
        },
        _ => HUB,
    }
}

/// What is stored for `registry`; `None` to pull without credentials.
pub async fn find(registry: &str) -> Result<Option<DockerCredentials>, CommandError> {
    match docker_config_folder() {
        Some(folder) => find_in(&folder.join("config.json"), registry).await,
        None => Ok(None),
    }
}

async fn find_in(file: &Path, registry: &str) -> Result<Option<DockerCredentials>, CommandError> {
    let bytes = match tokio::fs::read(file).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(format!("{}: {error}", file.display()))),
    };
    let config: Config = serde_json::from_slice(&bytes)
        .map_err(|error| failed(format!("{}: {error}", file.display())))?;
    let helper = config
        .cred_helpers
        .get(registry)
        .or(config.creds_store.as_ref())
        .filter(|helper| !helper.is_empty());
    match helper {
        Some(helper) => match ask(helper, registry).await {
            // It was uninstalled, and its name left behind: public images are pulled all the same.
            Err(AskError::Missing(program)) => {
                tracing::warn!(program, "the credential helper is not installed");
                stored(&config, registry)
            }
            Err(AskError::Failed(error)) => Err(error),
            Ok(found) => Ok(found),
        },
        None => stored(&config, registry),
    }
}

/// Why a helper told nothing.
enum AskError {
    /// There is no such program.
    Missing(String),
    /// It failed.
    Failed(CommandError),
}

impl From<CommandError> for AskError {
    fn from(error: CommandError) -> Self {
        Self::Failed(error)
    }
}

fn stored(config: &Config, registry: &str) -> Result<Option<DockerCredentials>, CommandError> {
    let bare = |key: &str| {
        let key = key
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        key.split('/').next().unwrap_or_default().to_owned()
    };
    let found = config.auths.get(registry).or_else(|| {
        config
            .auths
            .iter()
            .find(|(key, _)| bare(key) == bare(registry))
            .map(|(_, auth)| auth)
    });
    let Some(auth) = found.filter(|auth| !auth.auth.is_empty()) else {
        return Ok(None);
    };
    let unreadable = || {
        failed(format!(
            "the stored credentials of {registry} cannot be read"
        ))
    };
    let decoded = STANDARD
        .decode(auth.auth.trim())
        .map_err(|_| unreadable())?;
    let decoded = String::from_utf8(decoded).map_err(|_| unreadable())?;
    let (username, password) = decoded.split_once(':').ok_or_else(unreadable)?;
    Ok(Some(DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.trim_end_matches('\0').to_owned()),
        identitytoken: Some(auth.identitytoken.clone()).filter(|token| !token.is_empty()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    }))
}

/// Runs `docker-credential-<helper> get`.
async fn ask(helper: &str, registry: &str) -> Result<Option<DockerCredentials>, AskError> {
    let program = format!("docker-credential-{helper}");
    if helper.contains(['/', '\\', ':']) {
        return Err(failed(format!("\"{helper}\" is no name of a credential helper")).into());
    }
    let said = |error: std::io::Error| failed(format!("{program}: {error}"));
    let work = async {
        let mut child = program::unseen(Command::new(&program))
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => AskError::Missing(program.clone()),
                _ => said(error).into(),
            })?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(registry.as_bytes()).await.map_err(said)?;
        }
        Ok::<_, AskError>(child.wait_with_output().await.map_err(said)?)
    };
    let output = tokio::time::timeout(HELPER_PATIENCE, work)
        .await
        .map_err(|_| {
            failed(format!(
                "{program} did not answer within {} s",
                HELPER_PATIENCE.as_secs()
            ))
        })??;
    if !output.status.success() {
        // Helpers say "credentials not found in native keychain" on stdout: then the pull is anonymous.
        let words = String::from_utf8_lossy(&output.stdout);
        if words.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(format!("{program}: {}", words.trim())).into());
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("{program}: {error}")))?;
    let mut credentials = DockerCredentials {
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    };
    if answer.username == "<token>" {
        credentials.identitytoken = Some(answer.secret);
    } else {
        credentials.username = Some(answer.username);
        credentials.password = Some(answer.secret);
    }
    Ok(Some(credentials))
}

fn failed(message: String) -> CommandError {
    CommandError::new(ErrorCode::Failed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_the_first_part_where_it_is_a_host() {
        assert_eq!(registry("nginx"), HUB);
        assert_eq!(registry("library/nginx"), HUB);
        assert_eq!(registry("docker.io/library/nginx"), HUB);
        assert_eq!(registry("localhost/x"), "localhost");
        assert_eq!(registry("reg.example:5000/a/b"), "reg.example:5000");
    }

    #[tokio::test]
    async fn a_store_that_is_not_there_is_no_reason_not_to_pull() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.json");
        for store in ["", "left-behind-by-no-one"] {
            let config = format!(
                r#"{{"credsStore":"{store}","auths":{{"reg.example":{{"auth":"YW5uYTpwYXNz"}}}}}}"#
            );
            std::fs::write(&file, config).expect("a file");
            let hub = find_in(&file, HUB).await.expect("no failure");
            assert!(hub.is_none(), "{store}");
            let found = find_in(&file, "reg.example").await.expect("no failure");
            let found = found.expect("what the file itself holds");
            assert_eq!(found.username.as_deref(), Some("anna"), "{store}");
        }
    }

    #[test]
    fn stored_credentials_are_found_with_or_without_a_scheme() {
        let config: Config = serde_json::from_str(
            r#"{"auths":{"https://reg.example/v2/":{"auth":"YW5uYTpwYTpzcw=="},"bad.example":{"auth":"!"}}}"#,
        )
        .expect("config");
        let found = stored(&config, "reg.example")
            .expect("readable")
            .expect("stored");
        assert_eq!(
            (found.username.as_deref(), found.password.as_deref()),
            (Some("anna"), Some("pa:ss"))
        );
        assert!(
            stored(&config, "other.example")
                .expect("readable")
                .is_none()
        );
        let error = stored(&config, "bad.example").expect_err("unreadable");
        assert!(error.message.contains("bad.example"));
    }
}
