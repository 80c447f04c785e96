//! Programs on a terminal.

use gantry_tunnel::shell::{Frame, read, write};
use gantry_tunnel::{OpenError, Purpose, RefusalKind, Stream, Tunnel};
use tokio::io::AsyncWriteExt;

use crate::support::{Agent, in_time};

async fn open(host: &Tunnel, command: &[&str]) -> Stream {
    let purpose = Purpose::Shell {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        rows: 24,
        cols: 80,
    };
    in_time("a shell", host.open(&purpose)).await.expect("open")
}

/// What is shown until `word` is.
async fn until(stream: &mut Stream, word: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(word) {
        match in_time(word, read(stream)).await.expect("read") {
            Some(Frame::Data(bytes)) => shown.push_str(&String::from_utf8_lossy(&bytes)),
            other => panic!("{other:?} after {shown:?}"),
        }
    }
    shown
}

/// What is shown to the end, and the exit code.
async fn to_end(stream: &mut Stream) -> (String, i32) {
    let mut shown = String::new();
    loop {
        match in_time("the end", read(stream)).await.expect("read") {
            Some(Frame::Data(bytes)) => shown.push_str(&String::from_utf8_lossy(&bytes)),
            Some(Frame::Exit { code }) => {
                assert_eq!(
                    in_time("the last end", read(stream)).await.expect("read"),
                    None
                );
                return (shown, code);
            }
            other => panic!("{other:?} after {shown:?}"),
        }
    }
}

async fn type_in(stream: &mut Stream, text: &str) {
    write(stream, &Frame::Data(text.into()))
        .await
        .expect("write");
}

#[tokio::test]
async fn a_shell_has_a_terminal_with_a_size_that_changes() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let mut stream = open(
        &host,
        &[
            "sh",
            "-c",
            "stty size; read line; stty size; tty >/dev/null && exit 7",
        ],
    )
    .await;
    until(&mut stream, "24 80\r\n").await;
    write(
        &mut stream,
        &Frame::Resize {
            rows: 50,
            cols: 132,
        },
    )
    .await
    .expect("write");
    type_in(&mut stream, "\n").await;
    let (shown, code) = to_end(&mut stream).await;
    assert!(shown.contains("50 132\r\n"), "{shown}");
    assert_eq!(code, 7);
}

#[tokio::test]
async fn without_a_command_it_is_a_shell() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let mut stream = open(&host, &[]).await;
    type_in(&mut stream, "echo $((40 + 2)); exit 3\n").await;
    let (shown, code) = to_end(&mut stream).await;
    assert!(shown.contains("42\r\n"), "{shown}");
    assert_eq!(code, 3);
}

#[tokio::test]
async fn the_end_of_input_ends_what_reads_it() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let mut stream = open(&host, &["cat"]).await;
    type_in(&mut stream, "word\n").await;
    stream.shutdown().await.expect("shutdown");
    let (shown, code) = to_end(&mut stream).await;
    // What was typed is shown, and what cat says.
    assert_eq!(shown.matches("word").count(), 2, "{shown}");
    assert_eq!(code, 0);
}

#[tokio::test]
async fn keys_are_signals_and_signals_are_codes() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let mut stream = open(&host, &["sh", "-c", "echo ready; exec sleep 1000"]).await;
    until(&mut stream, "ready").await;
    type_in(&mut stream, "\x03").await;
    assert_eq!(to_end(&mut stream).await.1, 128 + 2);
}

#[tokio::test]
async fn all_that_was_shown_arrives() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let mut stream = open(&host, &["seq", "100000"]).await;
    let (shown, code) = to_end(&mut stream).await;
    assert_eq!(code, 0);
    let numbers: Vec<&str> = shown.lines().collect();
    assert_eq!(numbers.len(), 100_000);
    assert_eq!(numbers.last(), Some(&"100000"));
    // Something that goes on in the background keeps nobody waiting.
    let mut stream = open(
        &host,
        &["sh", "-c", "trap '' HUP; sleep 1000 & echo $!; exit 5"],
    )
    .await;
    let (shown, code) = to_end(&mut stream).await;
    assert_eq!(code, 5);
    let left: u32 = shown.trim().parse().expect("a process");
    let killed = std::process::Command::new("kill")
        .arg(left.to_string())
        .status();
    assert!(killed.expect("kill").success());
}

#[tokio::test]
async fn a_program_ends_with_its_host() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    for is_whole_session in [false, true] {
        let mut stream = open(
            &host,
            &[
                "sh",
                "-c",
                "trap '' HUP; echo pid $$ here; sleep 1000; sleep 1000",
            ],
        )
        .await;
        let shown = until(&mut stream, "here").await;
        let pid = shown
            .split_ascii_whitespace()
            .nth(1)
            .expect("a number")
            .to_owned();
        drop(stream);
        if is_whole_session {
            host.close().await;
        }
        let at = std::path::PathBuf::from(format!("/proc/{pid}"));
        in_time("its end", async {
            while at.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_can_t_be_run_is_refused() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let purpose = Purpose::Shell {
        command: vec!["/nonexistent/program".to_owned()],
        rows: 24,
        cols: 80,
    };
    match in_time("a refusal", host.open(&purpose))
        .await
        .expect_err("refused")
    {
        OpenError::Refused(refusal) => {
            assert_eq!(refusal.kind, RefusalKind::Failed);
            assert!(
                refusal.message.contains("/nonexistent/program"),
                "{refusal}"
            );
        }
        other => panic!("{other}"),
    }
}
