//! The small init.

use crate::ground::{Ground, until};

#[tokio::test]
async fn reaps_and_passes_signals_on() {
    let mut ground = Ground::script(
        "trap 'exit 9' TERM; readlink /proc/1/exe; (sleep 0.01 &) ; touch /ready; while :; do sleep 0.05; done",
    );
    ground.spec.init = true;
    ground.start().await;
    until("the trap is set", async || {
        ground.rootfs().join("ready").exists()
    })
    .await;
    assert_eq!(
        ground.exec("cat /proc/1/comm").await.1.stdout,
        "docker-init\n"
    );
    until("no zombies", async || {
        ground
            .exec("grep -l 'State:.Z' /proc/[0-9]*/status")
            .await
            .1
            .stdout
            .is_empty()
    })
    .await;
    ground.client().kill(15).await.unwrap();
    assert_eq!(ground.exited().await.code, 9);
}

#[tokio::test]
async fn ends_as_its_command_ended() {
    let mut ground = Ground::script("exit 33");
    ground.spec.init = true;
    assert_eq!(ground.run().await.0.code, 33);
    ground.spec.args = vec!["nosuch".into()];
    assert_eq!(ground.run().await.0.code, 127);
    ground.spec.args = ["sh", "-c", "kill -9 $$"].map(str::to_owned).to_vec();
    assert_eq!(ground.run().await.0.code, 137);
}
