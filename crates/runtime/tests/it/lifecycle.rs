//! From start to end.

use gantry_runtime::{ClientError, StartError};

use crate::ground::{ALL, Ground, read, until, within};

#[tokio::test]
async fn runs_and_tells_how_it_ended() {
    let ground = Ground::script("echo out; echo err >&2; exit 7");
    let (exit, output) = ground.run().await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (7, None, false));
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    assert!(!ground.dirs().state.exists(), "the shim leaves nothing in the state folder");
    assert!(ground.dirs().exit_json().exists());
    // Long after.
    assert_eq!(ground.exited().await, exit);
    assert!(matches!(ground.client().kill(15).await, Err(ClientError::Gone | ClientError::NotRunning)));
}
