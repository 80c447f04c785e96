//! `login`.

use std::io::{BufRead, IsTerminal, Read};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::daemon::{Call, collect};
use crate::endpoint::credentials::{self, Credentials, Kept, auth_key};
use crate::error::{CliError, Result};
use crate::output;
use crate::terminal::{self, HiddenInput};

/// No password is longer.
const MAX_PASSWORD: u64 = 64 * 1024;

/// Authenticate to a registry
#[derive(Debug, Args)]
pub struct Login {
    /// Password or Personal Access Token (PAT)
    #[arg(short, long)]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    /// Username
    #[arg(short, long)]
    username: Option<String>,
    /// The registry; Docker Hub if none is named
    server: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    status: String,
    #[serde(default)]
    identity_token: String,
}

impl Login {
    /// Runs the verb: has the engine try the account, and keeps it.
    pub async fn run(self, app: &mut App) -> Result<()> {
        let key = auth_key(self.server.as_deref().unwrap_or_default()).to_owned();
        let mut account = match self.username.as_deref() {
            None if self.password.is_none() && !self.password_stdin => {
                credentials::find(&app.config, &key)?
            }
            _ => None,
        };
        if account.is_none() {
            account = Some(self.ask(&key).await?);
        }
        let Some(mut account) = account else {
            return Err(CliError::invalid("no account was given"));
        };
        let body = json!({
            "username": account.username, "password": account.password,
            "serveraddress": key, "identitytoken": account.identitytoken,
        });
        let path = "/auth";
        let bytes = collect(app.daemon()?.call(Call::post(path).json(&body)?).await?).await?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|source| CliError::Answer {
            path: path.to_owned(),
            source,
        })?;
        if !answer.identity_token.is_empty() {
            account.identitytoken = answer.identity_token;
        }
        if credentials::keep(&mut app.config, &key, &account)? == Kept::InFile {
            output::tell(
                "WARNING! Your credentials are stored unencrypted in config.json. Name a credential program there \
                 (credsStore) to keep them safe.",
            );
        }
        output::line(if answer.status.is_empty() {
            "Login Succeeded"
        } else {
            &answer.status
        })
    }

    async fn ask(&self, key: &str) -> Result<Credentials> {
        let username = match &self.username {
            Some(name) => name.clone(),
            None if self.password_stdin => {
                return Err(CliError::invalid(
                    "must provide --username with --password-stdin",
                ));
            }
            None => prompt("Username: ").await?,
        };
        let password = match &self.password {
            Some(password) => {
                output::tell(
                    "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
                );
                password.clone()
            }
            None if self.password_stdin => {
                let mut text = String::new();
                let mut input = std::io::stdin().lock().take(MAX_PASSWORD);
                input
                    .read_to_string(&mut text)
                    .map_err(CliError::file("read", "standard input"))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            None => {
                let _hidden = HiddenInput::begin()?;
                let password = prompt("Password: ").await;
                output::tell("");
                password?
            }
        };
        if username.is_empty() || password.is_empty() {
            return Err(CliError::invalid("a username and a password are required"));
        }
        Ok(Credentials {
            username,
            password,
            serveraddress: key.to_owned(),
            ..Credentials::default()
        })
    }
}

/// Asks a question. A signal ends the waiting as an error, so that what was changed about the terminal is put back.
async fn prompt(question: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::invalid(
            "Error: Cannot perform an interactive login from a non TTY device",
        ));
    }
    let ended = terminal::ended();
    output::print(question)?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map(|_| answer)
    });
    tokio::select! {
        answer = answer => answer
            .map_err(std::io::Error::other)
            .flatten()
            .map(|answer| answer.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(CliError::file("read", "standard input")),
        code = ended => Err(CliError::Exit(code)),
    }
}
