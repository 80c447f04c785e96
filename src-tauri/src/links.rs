//! Opening a page in the person's browser.

use crate::error::{CommandError, ErrorCode};

/// Opens `url` in the browser. Only pages: the page must not be able to start programs through other schemes.
#[tauri::command]
pub async fn link_open(url: String) -> Result<(), CommandError> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
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
