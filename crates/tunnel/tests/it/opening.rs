//! What is asked, answered and refused.

use gantry_tunnel::{Answer, Claim, OpenError, Protocol, Purpose, Refusal, RefusalKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{echo, in_memory, in_time};

#[tokio::test]
async fn the_guest_claims_and_the_host_answers() {
    let ((_host, mut requests), (guest, _incoming)) = in_memory(4096).await;
    let claim = Claim {
        protocol: Protocol::Tcp,
        host: ([0, 0, 0, 0], 0).into(),
        guest: ([127, 0, 0, 1], 4000).into(),
    };
    let at = ([0, 0, 0, 0], 8080).into();
    let host = async {
        let request = requests.next().await.expect("a request");
        assert_eq!(request.purpose, Purpose::Listen(claim));
        request
            .accept(Answer::Listening { at })
            .await
            .expect("accept")
    };
    let purpose = Purpose::Listen(claim);
    let (opened, mut held) = tokio::join!(guest.open_for_answer(&purpose), host);
    let (stream, answer) = opened.expect("open");
    assert_eq!(answer, Answer::Listening { at });
    // Letting go of the stream is letting go of the claim.
    drop(stream);
    in_time("the end of the claim", held.read_u8())
        .await
        .expect_err("nothing comes");
}

#[tokio::test]
async fn a_refusal_says_why() {
    let ((_host, mut requests), (guest, _incoming)) = in_memory(4096).await;
    for kind in [
        RefusalKind::PortTaken,
        RefusalKind::AddressUnknown,
        RefusalKind::Denied,
        RefusalKind::Unreachable,
        RefusalKind::Failed,
        RefusalKind::Unsupported,
    ] {
        let why = Refusal::new(kind, "because");
        let refuse = async {
            let request = requests.next().await.expect("a request");
            request.refuse(why.clone()).await.expect("refuse");
        };
        let (opened, ()) = tokio::join!(guest.open(&Purpose::Resolve), refuse);
        match opened.expect_err("refused") {
            OpenError::Refused(refusal) => assert_eq!(refusal, why),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_long_reason_is_cut() {
    let ((_host, mut requests), (guest, _incoming)) = in_memory(4096).await;
    let refuse = async {
        let request = requests.next().await.expect("a request");
        let why = Refusal::new(RefusalKind::Failed, "\u{1}ö".repeat(5000));
        request.refuse(why).await.expect("refuse");
    };
    let (opened, ()) = tokio::join!(guest.open(&Purpose::Resolve), refuse);
    assert!(matches!(opened, Err(OpenError::Refused(_))), "{opened:?}");
}

#[tokio::test]
async fn a_request_that_nobody_answers_is_reset() {
    let ((host, _requests), (_guest, mut incoming)) = in_memory(4096).await;
    let forget = async { drop(incoming.next().await) };
    let (opened, ()) = tokio::join!(host.open(&Purpose::Api), forget);
    assert!(matches!(opened, Err(OpenError::NoAnswer(_))), "{opened:?}");
    // Nor is one that comes when nobody listens.
    drop(incoming);
    let opened = in_time("no answer", host.open(&Purpose::Api)).await;
    assert!(matches!(opened, Err(OpenError::NoAnswer(_))), "{opened:?}");
}

#[tokio::test]
async fn what_is_too_long_to_say_is_not_sent() {
    let ((host, _requests), (_guest, incoming)) = in_memory(4096).await;
    tokio::spawn(echo(incoming));
    let shell = Purpose::Shell {
        command: vec!["x".repeat(5000)],
        rows: 24,
        cols: 80,
    };
    let opened = host.open(&shell).await;
    assert!(
        matches!(
            opened,
            Err(OpenError::TooLong {
                length: 5000..,
                limit: 4096
            })
        ),
        "{opened:?}"
    );
    // The session is none the worse for it.
    let mut stream = host.open(&Purpose::Api).await.expect("open");
    stream.write_all(b"x").await.expect("write");
    assert_eq!(stream.read_u8().await.expect("read"), b'x');
}

#[tokio::test]
async fn who_takes_a_wish_back_is_noticed() {
    let ((host, _requests), (_guest, mut incoming)) = in_memory(4096).await;
    let opening = tokio::spawn(async move { (host.open(&Purpose::Api).await.is_ok(), host) });
    let mut request = incoming.next().await.expect("a request");
    opening.abort();
    in_time("the withdrawal", request.withdrawn()).await;
}
