//! Pages of the web: opened in the person's browser, never in the window.

use tauri::plugin::{Builder, TauriPlugin};
use tauri::{Url, Wry};

use crate::error::{CommandError, ErrorCode};

/// Keeps the window on its own page: a link or a file dropped on it must not take its place.
pub fn stay() -> TauriPlugin<Wry> {
    Builder::new("stay")
        .on_navigation(|_, url| {
            let own = is_own(url);
            if !own {
                tracing::warn!(%url, "the window stays on its own page");
            }
            own
        })
        .build()
}

/// Tauri's own address: a scheme of its own, or a host where the web view knows none.
fn is_own(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        "about" => url.path() == "blank",
        _ => false,
    }
}

/// Opens `url` in the browser. Only pages: the page must not be able to start programs through other schemes.
#[tauri::command]
pub async fn link_open(url: String) -> Result<(), CommandError> {
    let is_page = Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_page {
        return Err(CommandError::new(
            ErrorCode::InvalidInput,
            format!("not a page: {url}"),
        ));
    }
    tokio::task::spawn_blocking(move || tauri_plugin_opener::open_url(&url, None::<&str>))
        .await
        .map_err(|error| CommandError::new(ErrorCode::Failed, error.to_string()))?
        .map_err(|error| {
            CommandError::new(
                ErrorCode::Failed,
                format!("no browser could be opened: {error}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_windows_own_page_is_shown_in_it() {
        for (url, own) in [
            ("tauri://localhost/#/images", true),
            ("http://tauri.localhost/", true),
            ("about:blank", true),
            ("tauri://elsewhere/", false),
            ("https://tauri.localhost.example/", false),
            ("http://localhost:8080/", false),
            ("file:///etc/passwd", false),
            ("data:text/html,x", false),
        ] {
            assert_eq!(is_own(&Url::parse(url).expect(url)), own, "{url}");
        }
    }

    #[tokio::test]
    async fn nothing_but_a_page_is_opened() {
        for url in ["file:///etc/passwd", "javascript:alert(1)", "ssh://x", "x"] {
            let error = link_open(url.into()).await.expect_err(url);
            assert_eq!(error.code, ErrorCode::InvalidInput, "{url}");
        }
    }
}
