//! Ports of the host, from the program that claims to the host that grants.

use std::os::unix::fs::PermissionsExt;

use gantry_claim::{Answer, Claim, Protocol, Refusal, RefusalKind};
use gantry_tunnel::{Incoming, Lines, Purpose, Request, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{Agent, in_time};

fn claim(port: u16) -> Claim {
    Claim {
        protocol: Protocol::Tcp,
        host: ([0, 0, 0, 0], port).into(),
        guest: ([127, 0, 0, 1], 40_001).into(),
    }
}

async fn claimed(agent: &Agent, claim: &Claim) -> Lines<UnixStream> {
    let mut lines = Lines::new(agent.socket("claims").await, 4096);
    lines.send(claim).await.expect("send");
    lines
}

async fn answer(lines: &mut Lines<UnixStream>) -> Answer {
    in_time("an answer", lines.next())
        .await
        .expect("read")
        .expect("an answer")
}

/// The next claim that the agent makes of the host, whichever it is.
async fn any_asked(requests: &mut Incoming) -> (Claim, Request) {
    let request = in_time("a claim", requests.next())
        .await
        .expect("a request");
    let Purpose::Listen(claim) = request.purpose else {
        panic!("{:?}", request.purpose);
    };
    (claim, request)
}

async fn asked(requests: &mut Incoming, expected: Claim) -> Request {
    let (claim, request) = any_asked(requests).await;
    assert_eq!(claim, expected);
    request
}

async fn granted(requests: &mut Incoming, expected: Claim, at: u16) -> Stream {
    let at = ([0, 0, 0, 0], at).into();
    let yes = gantry_tunnel::Answer::Listening { at };
    asked(requests, expected)
        .await
        .accept(yes)
        .await
        .expect("accept")
}

/// The host learns that a port is given back by its stream's end.
async fn given_back(mut stream: Stream) {
    let _ = in_time("the end of the claim", stream.read_u8())
        .await
        .expect_err("nothing is said");
}

#[tokio::test]
async fn a_port_is_claimed_held_and_given_back() {
    let agent = Agent::start();
    let (_host, mut requests) = agent.host().await;
    let mut owner = claimed(&agent, &claim(8080)).await;
    let stream = granted(&mut requests, claim(8080), 8080).await;
    assert_eq!(
        answer(&mut owner).await,
        Answer::Listening(claim(8080).host)
    );
    let mode = std::fs::metadata(agent.at("claims"))
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Whatever is said further is no matter.
    owner.get_mut().write_all(b"more\n").await.expect("write");
    let second = claimed(&agent, &claim(8081)).await;
    let other = granted(&mut requests, claim(8081), 8081).await;
    drop(owner);
    given_back(stream).await;
    drop(second);
    given_back(other).await;
}

#[tokio::test]
async fn a_refusal_reaches_the_one_who_asked() {
    let agent = Agent::start();
    let (_host, mut requests) = agent.host().await;
    let mut owner = claimed(&agent, &claim(80)).await;
    let why = Refusal::new(RefusalKind::PortTaken, "port 80 is taken");
    asked(&mut requests, claim(80))
        .await
        .refuse(why.clone())
        .await
        .expect("refuse");
    assert_eq!(answer(&mut owner).await, Answer::Refused(why));
    assert!(
        in_time("the end", owner.next::<Answer>())
            .await
            .expect("read")
            .is_none()
    );
}

#[tokio::test]
async fn claims_are_made_again_of_each_host() {
    let agent = Agent::start();
    let (host, mut requests) = agent.host().await;
    let mut fixed = claimed(&agent, &claim(8080)).await;
    let _fixed = granted(&mut requests, claim(8080), 8080).await;
    answer(&mut fixed).await;
    let mut chosen = claimed(&agent, &claim(0)).await;
    let _chosen = granted(&mut requests, claim(0), 49_152).await;
    assert_eq!(
        answer(&mut chosen).await,
        Answer::Listening(claim(49_152).host)
    );
    // The host's process ends.
    host.close().await;
    drop(requests);
    // One that goes meanwhile is not claimed any more.
    let mut short = claimed(&agent, &claim(9090)).await;
    assert_eq!(
        answer(&mut short).await,
        Answer::Listening(claim(9090).host)
    );
    drop(short);
    let (host, mut requests) = agent.host().await;
    let mut found = Vec::new();
    for _ in 0..2 {
        let (claim, request) = any_asked(&mut requests).await;
        found.push(claim.host.port());
        // This host has lost both to others.
        let why = Refusal::new(RefusalKind::PortTaken, "taken meanwhile");
        request.refuse(why).await.expect("refuse");
    }
    found.sort_unstable();
    // What the first host chose is wanted again.
    assert_eq!(found, [8080, 49_152]);
    // This one is killed: nothing is said.
    drop((host, requests));
    // A claim that was refused is kept for the next.
    let (_host, mut requests) = agent.host().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let (claim, request) = any_asked(&mut requests).await;
        let yes = gantry_tunnel::Answer::Listening { at: claim.host };
        streams.push((
            claim.host.port(),
            request.accept(yes).await.expect("accept"),
        ));
    }
    drop((fixed, chosen));
    for (_, stream) in streams {
        given_back(stream).await;
    }
}

#[tokio::test]
async fn without_a_host_a_known_port_is_granted_and_a_chosen_one_waits() {
    let agent = Agent::start();
    let mut known = claimed(&agent, &claim(8080)).await;
    assert_eq!(
        answer(&mut known).await,
        Answer::Listening(claim(8080).host)
    );
    let mut chosen = claimed(&agent, &claim(0)).await;
    // The host comes.
    let (_host, mut requests) = agent.host().await;
    for _ in 0..2 {
        let (claim, request) = any_asked(&mut requests).await;
        let mut at = claim.host;
        if at.port() == 0 {
            at.set_port(49_153);
        }
        let yes = gantry_tunnel::Answer::Listening { at };
        // Held to the test's end.
        std::mem::forget(request.accept(yes).await.expect("accept"));
    }
    assert_eq!(
        answer(&mut chosen).await,
        Answer::Listening(claim(49_153).host)
    );
}

#[tokio::test]
async fn what_is_no_claim_is_refused() {
    let agent = Agent::start();
    for line in [
        "nonsense\n".to_owned(),
        format!("{}\n", "x".repeat(100_000)),
    ] {
        let mut lines = Lines::new(agent.socket("claims").await, 4096);
        // May fail: enough was read to know.
        let _ = lines.get_mut().write_all(line.as_bytes()).await;
        let Answer::Refused(refusal) = answer(&mut lines).await else {
            panic!("granted");
        };
        assert_eq!(refusal.kind, RefusalKind::Unsupported);
    }
}

#[tokio::test]
async fn many_claim_at_once_and_an_agent_that_died_leaves_room() {
    let mut agent = Agent::start();
    let (_host, mut requests) = agent.host().await;
    let mut owners = Vec::new();
    for port in 0..200 {
        owners.push(claimed(&agent, &claim(10_000 + port)).await);
    }
    let mut streams = Vec::new();
    for _ in 0..200 {
        let (claim, request) = any_asked(&mut requests).await;
        let yes = gantry_tunnel::Answer::Listening { at: claim.host };
        streams.push(request.accept(yes).await.expect("accept"));
    }
    for (port, owner) in owners.iter_mut().enumerate() {
        let at = claim(10_000 + port as u16).host;
        assert_eq!(answer(owner).await, Answer::Listening(at));
    }
    agent.kill().await;
    for owner in &mut owners {
        // Its connection tells each owner that it has nothing any more.
        let end = in_time("the end", owner.next::<Answer>()).await;
        assert!(!matches!(end, Ok(Some(_))), "{end:?}");
    }
}
