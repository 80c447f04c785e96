//! What is said over vfkit's HTTP control.

use serde_json::Value;

/// What vfkit says that its machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestState {
    /// It runs.
    Running,
    /// It stands still.
    Paused,
    /// It has ended or failed.
    Over,
    /// It is on its way to one of these.
    Changing,
}

/// The question for the state.
pub fn state_request() -> String {
    "GET /vm/state HTTP/1.1\r\nHost: vfkit\r\nConnection: close\r\n\r\n".to_owned()
}

/// The wish for another state: `Pause`, `Resume`, `Stop` (the power button) or `HardStop`.
pub fn state_wish(state: &str) -> String {
    let body = serde_json::json!({ "state": state }).to_string();
    format!(
        "POST /vm/state HTTP/1.1\r\nHost: vfkit\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Whether an answer says yes; else its status line.
pub fn accepted(answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let line = text.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(line.chars().take(100).collect()),
    }
}

/// The state in an answer to [`state_request`]; none where it is no such answer.
pub fn state(answer: &[u8]) -> Option<RestState> {
    accepted(answer).ok()?;
    let text = std::str::from_utf8(answer).ok()?;
    // Its HTTP may come in chunks: the object is what stands between the outermost braces.
    let (_, body) = text.split_once("\r\n\r\n")?;
    let body = body.get(body.find('{')?..=body.rfind('}')?)?;
    let value: Value = serde_json::from_str(body).ok()?;
    Some(match value["state"].as_str()? {
        "VirtualMachineStateRunning" => RestState::Running,
        "VirtualMachineStatePaused" => RestState::Paused,
        "VirtualMachineStateStopped" | "VirtualMachineStateError" => RestState::Over,
        _ => RestState::Changing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_from_answers() {
        let answer =
            |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
        let read = |body: &str| state(answer(body).as_bytes());
        assert_eq!(
            read(r#"{"canHardStop":true,"state":"VirtualMachineStateRunning"}"#),
            Some(RestState::Running)
        );
        assert_eq!(
            read("2b\r\n{\"state\":\"VirtualMachineStatePaused\"}\r\n0\r\n\r\n"),
            Some(RestState::Paused)
        );
        assert_eq!(
            read(r#"{"state":"VirtualMachineStateStopped"}"#),
            Some(RestState::Over)
        );
        assert_eq!(
            read(r#"{"state":"VirtualMachineStateStarting"}"#),
            Some(RestState::Changing)
        );
        for nonsense in ["", "}{", "{", "[]", "{}"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(state(b"HTTP/1.1 500 No\r\n\r\n{}"), None);
    }

    #[test]
    fn a_wish_is_one_request() {
        insta::assert_snapshot!(state_wish("Pause").replace("\r\n", "\n"));
        assert_eq!(accepted(b"HTTP/1.1 202 Accepted\r\n"), Ok(()));
        assert_eq!(
            accepted(b"HTTP/1.1 400 Bad\r\n"),
            Err("HTTP/1.1 400 Bad".to_owned())
        );
        assert!(accepted(b"").is_err());
    }
}
