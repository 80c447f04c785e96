//! One host after the other.

use gantry_tunnel::{OpenError, Purpose, RefusalKind};
use tokio::io::AsyncWriteExt;

use crate::support::{Agent, in_time};

async fn is_served(host: &gantry_tunnel::Tunnel) {
    match in_time("an answer", host.open(&Purpose::Api))
        .await
        .expect_err("there is no engine")
    {
        OpenError::Refused(refusal) => assert_eq!(refusal.kind, RefusalKind::Unreachable),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn hosts_come_and_go() {
    let agent = Agent::start();
    for _ in 0..5 {
        let (host, _requests) = agent.host().await;
        is_served(&host).await;
    }
}

#[tokio::test]
async fn a_new_host_takes_the_place_of_one_that_hangs() {
    let agent = Agent::start();
    let (old, _old_requests) = agent.host().await;
    is_served(&old).await;
    let (new, _requests) = agent.host().await;
    is_served(&new).await;
    in_time("the end of the old one", old.closed()).await;
}

#[tokio::test]
async fn who_is_no_host_is_left() {
    let agent = Agent::start();
    let mut stranger = agent.socket("channel").await;
    stranger
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("write");
    let (host, _requests) = agent.host().await;
    is_served(&host).await;
}

#[tokio::test]
async fn an_agent_that_is_started_again_takes_over_its_sockets() {
    let mut agent = Agent::start();
    let (host, _requests) = agent.host().await;
    agent.kill().await;
    in_time("the end", host.closed()).await;
    // As an earlier one left them.
    assert!(agent.at("channel").exists() && agent.at("claims").exists());
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_gantry-guest"))
        .args(["agent", "--dns", "none"])
        .arg(format!("unix:{}", agent.at("channel").display()))
        .arg("--claims")
        .arg(agent.at("claims"))
        .arg("--api")
        .arg(agent.at("api"))
        .spawn();
    let mut second = second.expect("the agent starts");
    let (host, _requests) = agent.host().await;
    is_served(&host).await;
    second.kill().expect("kill");
    second.wait().expect("wait");
}
