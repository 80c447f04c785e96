//! Containers and execs with a terminal.

use gantry_runtime::spec::ConsoleSize;
use gantry_runtime::{ClientError, ExecSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ground::{ALL, Ground, read, until, within};

const SIZE: ConsoleSize = ConsoleSize {
    height: 33,
    width: 77,
};

fn ground(script: &str) -> Ground {
    let mut ground = Ground::script(script);
    ground.spec.tty = true;
    ground.spec.open_stdin = true;
    ground.spec.console_size = Some(SIZE);
    ground
}

#[tokio::test]
async fn has_its_size_from_the_start_and_takes_another() {
    let ground = ground(
        "stty size; tty; trap 'stty size; exit 3' WINCH; touch /ready; while :; do sleep 0.1; done",
    );
    let mut started = ground.start_attached(&[ALL]).await.unwrap();
    let stream = started.attached.remove(0);
    until("the trap is set", async || {
        ground.rootfs().join("ready").exists()
    })
    .await;
    ground
        .client()
        .resize(ConsoleSize {
            height: 5,
            width: 6,
        })
        .await
        .unwrap();
    let output = read(stream, true).await.stdout;
    assert_eq!(output, "33 77\r\n/dev/pts/0\r\n5 6\r\n");
    assert_eq!(ground.exited().await.code, 3);
}

#[tokio::test]
async fn takes_input_and_control_characters() {
    let ground = ground("trap 'exit 130' INT; read a; echo got $a; while :; do sleep 0.1; done");
    let mut started = ground.start_attached(&[ALL]).await.unwrap();
    let mut stream = started.attached.remove(0);
    stream.stdin.write_all(b"word\r").await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 256];
    while !text.contains("got word") {
        let length = within(stream.output.read(&mut buffer)).await.unwrap();
        assert!(length > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    stream.stdin.write_all(&[3]).await.unwrap();
    assert_eq!(ground.exited().await.code, 130);
}

#[tokio::test]
async fn belongs_to_the_user_and_to_the_console() {
    let mut ground = ground("stat -c %u /proc/self/fd/0; echo here > /dev/console; echo $TERM");
    ground.spec.user = "ann".into();
    let mut started = ground.start_attached(&[ALL]).await.unwrap();
    let output = read(started.attached.remove(0), true).await.stdout;
    assert_eq!(output, "1000\r\nhere\r\nxterm\r\n");
}

#[tokio::test]
async fn an_exec_has_a_terminal_of_its_own() {
    let ground = Ground::sleeper();
    ground.start().await;
    let exec = ExecSpec {
        id: "t".into(),
        args: ["sh", "-c", "stty size; tty; read x; echo [$x]; exit 4"]
            .map(str::to_owned)
            .to_vec(),
        tty: true,
        attach: ALL,
        console_size: Some(SIZE),
        ..ExecSpec::default()
    };
    let mut stream = ground.client().exec(&exec).await.unwrap().stream.unwrap();
    let mut first = [0; 7];
    within(stream.output.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"33 77\r\n", "its size from the start");
    ground
        .client()
        .exec_resize(
            "t",
            ConsoleSize {
                height: 1,
                width: 2,
            },
        )
        .await
        .unwrap();
    stream.stdin.write_all(b"abc\n").await.unwrap();
    let output = read(stream, true).await.stdout;
    assert!(
        output.contains("/dev/pts/0\r\n") && output.contains("[abc]\r\n"),
        "{output}"
    );
    assert_eq!(within(ground.client().exec_exited("t")).await.unwrap(), 4);
    assert!(matches!(
        ground.client().resize(SIZE).await,
        Err(ClientError::Invalid(_))
    ));
    assert!(matches!(
        ground.client().exec_resize("t", SIZE).await,
        Err(ClientError::NoSuchExec(_))
    ));
    ground.stop().await;
}
