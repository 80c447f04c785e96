//! The few things that the host process itself asks of the engine.

use std::time::Duration;

use gantry_tunnel::{OpenError, Purpose, Tunnel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A larger answer isn't one to what is asked here.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;
/// An engine that is being started is asked again after so long: nothing tells the host when its socket is there.
const AGAIN: Duration = Duration::from_millis(100);

/// Waits until the engine answers.
pub async fn answers(tunnel: &Tunnel) -> Result<(), String> {
    loop {
        match get(tunnel, "/_ping").await {
            Ok(_) => return Ok(()),
            Err(Asked::Tunnel(why)) => return Err(why),
            Err(Asked::Engine(why)) => tracing::debug!(why, "the engine doesn't answer yet"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether any container runs.
pub async fn has_running(tunnel: &Tunnel) -> Result<bool, String> {
    let body = get(tunnel, "/containers/json?limit=1")
        .await
        .map_err(|(Asked::Tunnel(why) | Asked::Engine(why))| why)?;
    let containers: Vec<serde::de::IgnoredAny> =
        serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok(!containers.is_empty())
}

enum Asked {
    /// There is no tunnel any more.
    Tunnel(String),
    /// The engine doesn't answer, or not well.
    Engine(String),
}

/// The body of the answer to `GET path`, spoken in HTTP/1.0 so that it comes in one piece.
async fn get(tunnel: &Tunnel, path: &str) -> Result<Vec<u8>, Asked> {
    let mut stream = tunnel
        .open(&Purpose::Api)
        .await
        .map_err(|error| match error {
            OpenError::Tunnel(why) => Asked::Tunnel(why.to_string()),
            other => Asked::Engine(other.to_string()),
        })?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: gantry\r\n\r\n");
    let mut answer = Vec::new();
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        (&mut stream)
            .take(MAX_ANSWER)
            .read_to_end(&mut answer)
            .await
    };
    asked
        .await
        .map_err(|error| Asked::Engine(error.to_string()))?;
    body(&answer).ok_or_else(|| {
        let start = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        Asked::Engine(format!("the engine answered {start:?}"))
    })
}

/// The body of an answer that says 200.
fn body(answer: &[u8]) -> Option<Vec<u8>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    (status == "200").then(|| answer[end + 4..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_200_has_a_body() {
        assert_eq!(
            body(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK").unwrap(),
            b"OK"
        );
        assert!(body(b"HTTP/1.1 503 No\r\n\r\nOK").is_none());
        assert!(body(b"HTTP/1.1 200 OK\r\n").is_none());
        assert!(body(b"").is_none());
    }
}
