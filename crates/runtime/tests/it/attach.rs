//! Standard input and output of a container, with one client and with several.

use gantry_runtime::{AttachOptions, ClientError, ExecSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ground::{ALL, Ground, read, within};

#[tokio::test]
async fn input_reaches_the_process_and_ends_with_the_first_client() {
    let mut ground = Ground::script("cat; echo end");
    ground.spec.open_stdin = true;
    ground.spec.stdin_once = true;
    let mut started = ground.start_attached(&[ALL]).await.unwrap();
    let mut stream = started.attached.remove(0);
    let text = "line\n".repeat(50_000);
    let sent = text.clone();
    let mut stdin = stream.stdin;
    let writer = tokio::spawn(async move {
        stdin.write_all(sent.as_bytes()).await.unwrap();
        stdin.shutdown().await.unwrap();
        stdin
    });
    let mut bytes = Vec::new();
    within(stream.output.read_to_end(&mut bytes)).await.unwrap();
    drop(writer.await.unwrap());
    assert_eq!(crate::ground::parse(&bytes).stdout, format!("{text}end\n"));
    assert_eq!(ground.exited().await.code, 0);
}

#[tokio::test]
async fn input_stays_open_for_later_clients() {
    let mut ground = Ground::script("read a; read b; echo $a $b");
    ground.spec.open_stdin = true;
    let mut started = ground.start_attached(&[ALL]).await.unwrap();
    let mut first = started.attached.remove(0);
    first.stdin.write_all(b"one\n").await.unwrap();
    first.stdin.shutdown().await.unwrap();
    let mut second = ground.client().attach(ALL).await.unwrap();
    second.stdin.write_all(b"two\n").await.unwrap();
    assert_eq!(read(first, false).await.stdout, "one two\n");
    assert_eq!(read(second, false).await.stdout, "one two\n");
    assert!(matches!(
        ground.client().attach(ALL).await,
        Err(ClientError::NotRunning | ClientError::Gone)
    ));
}

#[tokio::test]
async fn closed_input_is_empty() {
    assert_eq!(
        Ground::script("cat; readlink /proc/self/fd/0")
            .run()
            .await
            .1
            .stdout,
        "/dev/null\n"
    );
}

#[tokio::test]
async fn each_client_gets_what_it_wants_from_the_first_byte() {
    let ground = Ground::script("echo out; echo err >&2");
    let none = AttachOptions::default();
    let wants = [
        AttachOptions {
            stdout: true,
            ..none
        },
        AttachOptions {
            stderr: true,
            ..none
        },
        ALL,
    ];
    let mut started = ground.start_attached(&wants).await.unwrap();
    let mut outputs = Vec::new();
    for stream in started.attached.drain(..) {
        outputs.push(read(stream, false).await);
    }
    let texts: Vec<_> = outputs
        .iter()
        .map(|output| (output.stdout.as_str(), output.stderr.as_str()))
        .collect();
    assert_eq!(texts, [("out\n", ""), ("", "err\n"), ("out\n", "err\n")]);
}

#[tokio::test]
async fn a_fast_container_loses_nothing_to_a_slow_client() {
    let ground = Ground::script("dd if=/dev/zero bs=65536 count=640 2>/dev/null");
    let mut stream = ground.start_heard().await;
    let mut total = 0;
    let mut buffer = vec![0; 300_000];
    loop {
        // Slower than the container, never stuck.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        match within(stream.output.read(&mut buffer)).await.unwrap() {
            0 => break,
            length => total += length,
        }
    }
    assert!(total > 640 * 65536, "{total}");
}

/// As in a pipeline: who reads late, e.g. a pager, gets everything.
#[tokio::test]
async fn a_client_that_rests_loses_nothing() {
    let more = Ground::script("dd if=/dev/zero bs=65536 count=640 2>/dev/null");
    let more_client = more.start_heard().await;
    let less = Ground::script("dd if=/dev/zero bs=65536 count=8 2>/dev/null");
    let less_client = less.start_heard().await;
    let running = Ground::sleeper();
    running.start().await;
    let exec = ExecSpec {
        id: "rest".into(),
        args: ["dd", "if=/dev/zero", "bs=65536", "count=640"]
            .map(str::to_owned)
            .to_vec(),
        attach: AttachOptions {
            stdin: false,
            stderr: false,
            ..ALL
        },
        ..ExecSpec::default()
    };
    let exec_client = running.client().exec(&exec).await.unwrap().stream.unwrap();
    // This one ends, though nobody has read what it wrote, and can run anew.
    assert_eq!(less.exited().await.code, 0);
    assert_eq!(less.run().await.0.code, 0);
    // Longer than anybody would wait who loses patience.
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    let length = async |stream| read(stream, false).await.stdout.len();
    assert_eq!(length(less_client).await, 8 * 65536);
    assert_eq!(length(more_client).await, 640 * 65536);
    assert_eq!(length(exec_client).await, 640 * 65536);
    assert_eq!(more.exited().await.code, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_disturbs_nobody() {
    let ground =
        Ground::script("trap 'echo bye; exit' TERM; while :; do echo tick; sleep 0.05; done");
    let mut started = ground.start_attached(&[ALL, ALL]).await.unwrap();
    drop(started.attached.remove(0));
    let mut other = started.attached.remove(0);
    let mut byte = [0; 64];
    for _ in 0..5 {
        assert!(within(other.output.read(&mut byte)).await.unwrap() > 0);
    }
    ground.client().kill(15).await.unwrap();
    assert!(read(other, false).await.stdout.ends_with("bye\n"));
}

#[tokio::test]
async fn output_can_be_opened_again_by_another_user() {
    let mut ground = Ground::script("echo hi > /dev/stdout; echo ho > /proc/self/fd/2");
    ground.spec.user = "ann".into();
    let (exit, output) = ground.run().await;
    assert_eq!(
        (exit.code, output.stdout.as_str(), output.stderr.as_str()),
        (0, "hi\n", "ho\n")
    );
}
