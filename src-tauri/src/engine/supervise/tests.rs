use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::models::EventMessage;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::*;
use crate::engine::endpoint::Keeper;

#[test]
fn events_of_an_exec_are_not_passed_on() {
    let message = |action: &str| EventMessage {
        action: Some(action.into()),
        ..Default::default()
    };
    assert!(event(message("exec_start: sh")).is_none());
    assert_eq!(
        event(message("die")).map(|event| event.action).as_deref(),
        Some("die")
    );
}

#[tokio::test]
async fn what_happened_since_the_engine_was_found_is_told_too() {
    let fake = Fake::start("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (engine, machines) = (fake.engine(), fake.machines());
    tokio::select! {
        () = run(&engine, &machines) => unreachable!("it runs for as long as the app does"),
        asked = in_time(fake.asked("/events")) => {
            assert!(asked.contains("since=2026-03-01T10%3A00%3A00.5Z"), "{asked}");
        }
    }
    assert!(matches!(&*engine.state.borrow(), EngineState::Ready { .. }));
}

#[tokio::test]
async fn an_engine_that_refuses_its_events_is_not_asked_without_a_pause() {
    let fake = Fake::start(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"message\":\"not you\"}",
    );
    let (engine, machines) = (fake.engine(), fake.machines());
    let mut states = engine.state.subscribe();
    let away = async {
        let away = |state: &EngineState| matches!(state, EngineState::Away { .. });
        states.wait_for(away).await.expect("a state").clone()
    };
    let EngineState::Away { reason, detail, .. } = (tokio::select! {
        () = run(&engine, &machines) => unreachable!("it runs for as long as the app does"),
        state = in_time(away) => state,
    }) else {
        unreachable!("it is away");
    };
    assert_eq!(reason, AwayReason::BadAnswer);
    assert!(detail.contains("not you"), "{detail}");
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .expect("in time")
}

/// Something at a socket that answers as an engine does.
struct Fake {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// `events` is the answer to `GET /events`; its connection is kept open.
    fn start(events: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let listener = UnixListener::bind(folder.path().join("sock")).expect("socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&told), events));
            }
        });
        Self { folder, asked }
    }

    fn engine(&self) -> Engine {
        let endpoint = Endpoint {
            address: Address::Local(self.folder.path().join("sock")),
            keeper: Keeper::Elsewhere,
            decided_by: None,
        };
        Engine::new(Ok(endpoint))
    }

    fn machines(&self) -> Machines {
        let folder = self.folder.path();
        Machines::new(gantry_machine::Home::new(folder, folder.join("run")))
    }

    /// The request line that has this path, once it is asked.
    async fn asked(&self, path: &str) -> String {
        loop {
            let found = (self.asked.lock().expect("lock").iter())
                .find(|line| line.contains(path))
                .cloned();
            match found {
                Some(line) => return line,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

async fn serve(mut stream: UnixStream, told: Arc<Mutex<Vec<String>>>, events: &str) {
    let mut lines = BufReader::new(&mut stream).lines();
    let Ok(Some(asked)) = lines.next_line().await else {
        return;
    };
    while lines
        .next_line()
        .await
        .is_ok_and(|line| line.is_some_and(|line| !line.is_empty()))
    {}
    told.lock().expect("lock").push(asked.clone());
    let body = match asked.split([' ', '?']).nth(1).unwrap_or_default() {
        path if path.ends_with("/version") => r#"{"Version":"1","ApiVersion":"1.47"}"#,
        path if path.ends_with("/info") => r#"{"SystemTime":"2026-03-01T10:00:00.5Z"}"#,
        path if path.ends_with("/events") => {
            let _ = stream.write_all(events.as_bytes()).await;
            return std::future::pending().await;
        }
        _ => "{}",
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}
