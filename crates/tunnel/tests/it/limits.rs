//! How much a peer can have.

use gantry_tunnel::{Limits, OpenError, Purpose};

use crate::support::{in_memory, in_time};

#[tokio::test]
async fn no_more_streams_are_opened_than_may_be() {
    let ((_host, mut requests), (guest, _incoming)) = in_memory(1 << 16).await;
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..Limits::GUEST.outbound {
        let guest = guest.clone();
        opening.spawn(async move { guest.open(&Purpose::Resolve).await });
    }
    let mut waiting = Vec::new();
    in_time("all that may be", async {
        while waiting.len() < Limits::GUEST.outbound {
            waiting.push(requests.next().await.expect("a request"));
        }
    })
    .await;
    let opened = guest.open(&Purpose::Resolve).await;
    assert!(
        matches!(opened, Err(OpenError::TooMany { limit }) if limit == Limits::GUEST.outbound),
        "{opened:?}"
    );
    // One that ends makes room for another.
    drop(waiting.pop());
    in_time("the end of one", opening.join_next())
        .await
        .expect("one")
        .expect("task")
        .expect_err("reset");
    let another = tokio::spawn({
        let guest = guest.clone();
        async move { guest.open(&Purpose::Resolve).await.is_ok() }
    });
    in_time("another", requests.next())
        .await
        .expect("a request");
    drop(waiting);
    another.abort();
}
