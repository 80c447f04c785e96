//! Calls of the agent.

use gantry_tunnel::agent::{Agent as Caller, AgentCall, AgentError, AgentReply};

use crate::support::{Agent, in_time};

async fn call(agent: &Agent, call: AgentCall) -> Result<AgentReply, AgentError> {
    let (host, _requests) = agent.host().await;
    let mut caller = Caller::open(&host).await.expect("open");
    in_time("a reply", caller.call(&call)).await
}

#[tokio::test]
async fn figures_are_told() {
    let agent = Agent::start();
    let reply = call(&agent, AgentCall::Figures).await.expect("figures");
    let AgentReply::Figures(figures) = reply else {
        panic!("{reply:?}");
    };
    assert!(figures.memory_total > 0 && figures.memory_total >= figures.memory_available);
    assert!(figures.disk_total > 0 && figures.disk_total >= figures.disk_available);
}

#[tokio::test]
async fn several_calls_go_over_one_stream_and_a_failure_is_no_end() {
    let agent = Agent::start();
    let (host, _requests) = agent.host().await;
    let mut caller = Caller::open(&host).await.expect("open");
    // Its folder is no mount.
    let error = in_time("a reply", caller.call(&AgentCall::Grow))
        .await
        .expect_err("no disk");
    assert!(
        matches!(&error, AgentError::Failed { message } if message.contains("no disk is mounted")),
        "{error}"
    );
    let file = agent.at("file");
    std::fs::write(&file, "x").expect("write");
    let touch = AgentCall::Touch {
        paths: vec![
            file,
            agent.at("gone"),
            "/nonexistent/a/b".into(),
            "relative".into(),
        ],
    };
    let reply = in_time("a reply", caller.call(&touch))
        .await
        .expect("touch");
    assert_eq!(reply, AgentReply::Touched { count: 2 });
}

#[tokio::test]
async fn init_is_told_to_end_the_machine() {
    use std::os::unix::process::ExitStatusExt;
    for (word, signal) in [(AgentCall::PowerOff, 15), (AgentCall::Reboot, 2)] {
        // With the signal as a process has it by itself, whatever this one was started with.
        let mut init = std::process::Command::new("perl")
            .args([
                "-e",
                "$SIG{TERM} = $SIG{INT} = 'DEFAULT'; $| = 1; print qq(up\\n); sleep 1000",
            ])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("perl");
        let mut up = [0; 3];
        std::io::Read::read_exact(init.stdout.as_mut().expect("its output"), &mut up)
            .expect("it is up");
        let agent = Agent::start_with(Some(init.id()));
        assert_eq!(call(&agent, word).await.expect("a reply"), AgentReply::Done);
        let status = init.wait().expect("its end");
        assert_eq!(status.signal(), Some(signal));
    }
}
