//! The API as bollard sees it: the client of Rust's programs, testcontainers among them.

use std::collections::HashMap;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, ContainerStateStatusEnum, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, EventsOptionsBuilder,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, StatsOptionsBuilder, UploadToContainerOptionsBuilder,
    WaitContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use gantry_tests::{Client, Layer, PATIENCE, World};

/// Runs a test on a client that has agreed with the engine on a version.
fn with_client(world: &World, test: impl AsyncFnOnce(Docker)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let run = async {
        let seconds = PATIENCE.as_secs();
        let client = Docker::connect_with_unix(&world.engine.host(), seconds, API_DEFAULT_VERSION);
        test(client.unwrap().negotiate_version().await.unwrap()).await;
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, run).await.unwrap() });
}

/// Both streams of an output, to its end.
async fn read(output: impl Stream<Item = Result<LogOutput, Error>>) -> (String, String) {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let mut output = std::pin::pin!(output);
    while let Some(piece) = output.next().await {
        match piece.unwrap() {
            LogOutput::StdErr { message } => stderr.push_str(&String::from_utf8_lossy(&message)),
            other => stdout.push_str(&String::from_utf8_lossy(other.as_ref())),
        }
    }
    (stdout, stderr)
}

fn container(script: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some("busybox".into()),
        cmd: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        labels: Some(HashMap::from([("made-by".into(), "bollard".into())])),
        host_config: Some(HostConfig {
            memory: Some(64 << 20),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

#[test]
fn from_created_to_removed() {
    let world = World::new(Client::Docker);
    with_client(&world, async |client| {
        assert_eq!(client.ping().await.unwrap(), "OK");
        let version = client.version().await.unwrap();
        assert_eq!(version.os.as_deref(), Some("linux"));
        assert_eq!(client.info().await.unwrap().containers, Some(0));

        let named = CreateContainerOptionsBuilder::new().name("box").build();
        let script = "echo out; echo err >&2; read line < /tmp/go; exit 3";
        let made =
            client.create_container(Some(named), container(&format!("mkfifo /tmp/go; {script}")));
        let id = made.await.unwrap().id;
        client
            .start_container("box", None::<StartContainerOptions>)
            .await
            .unwrap();
        let found = client.inspect_container("box", None).await.unwrap();
        assert_eq!(found.id.as_ref(), Some(&id));
        assert_eq!(found.host_config.unwrap().memory, Some(64 << 20));
        let state = found.state.unwrap();
        assert_eq!(state.status, Some(ContainerStateStatusEnum::RUNNING));

        let labelled = HashMap::from([("label", vec!["made-by=bollard"])]);
        let filter = ListContainersOptionsBuilder::new()
            .filters(&labelled)
            .build();
        let listed = client.list_containers(Some(filter)).await.unwrap();
        assert_eq!(listed.len(), 1, "{listed:?}");
        let one = StatsOptionsBuilder::new().stream(false).build();
        let figures: Vec<_> = client.stats("box", Some(one)).try_collect().await.unwrap();
        let memory = figures[0].memory_stats.clone().unwrap();
        assert_eq!(memory.limit, Some(64 << 20));

        let follow = LogsOptionsBuilder::new()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .build();
        let (log, waited, ()) = futures::join!(
            read(client.logs("box", Some(follow))),
            client
                .wait_container("box", None::<WaitContainerOptions>)
                .try_collect::<Vec<_>>(),
            async {
                let run = CreateExecOptions {
                    attach_stdout: Some(true),
                    attach_stderr: Some(true),
                    cmd: Some(vec!["sh", "-c", "echo within; echo go > /tmp/go; exit 7"]),
                    ..CreateExecOptions::default()
                };
                let exec = client.create_exec("box", run).await.unwrap().id;
                let StartExecResults::Attached { output, .. } =
                    client.start_exec(&exec, None).await.unwrap()
                else {
                    panic!("it should be attached");
                };
                assert_eq!(read(output).await.0, "within\n");
            }
        );
        assert_eq!(log, ("out\n".to_owned(), "err\n".to_owned()));
        assert!(
            matches!(waited, Err(Error::DockerContainerWaitError { code: 3, .. })),
            "{waited:?}"
        );
        let forced = RemoveContainerOptionsBuilder::new().force(true).build();
        client.remove_container("box", Some(forced)).await.unwrap();
        let gone = client.inspect_container("box", None).await;
        assert!(
            matches!(
                gone,
                Err(Error::DockerResponseServerError {
                    status_code: 404,
                    ..
                })
            ),
            "{gone:?}"
        );
    });
}

#[test]
fn files_and_events() {
    let world = World::new(Client::Docker);
    with_client(&world, async |client| {
        let made = client.create_container(None, container("cat /tmp/given"));
        let id = made.await.unwrap().id;
        let into = UploadToContainerOptionsBuilder::new().path("/tmp").build();
        let tar = Layer::new().file("given", 0o644, b"from bollard\n").tar();
        client
            .upload_to_container(&id, Some(into), bollard::body_full(tar.into()))
            .await
            .unwrap();
        client
            .start_container(&id, None::<StartContainerOptions>)
            .await
            .unwrap();
        let ended = client.wait_container(&id, None::<WaitContainerOptions>);
        let ended: Vec<_> = ended.try_collect().await.unwrap();
        assert_eq!(ended[0].status_code, 0);
        let from = DownloadFromContainerOptionsBuilder::new()
            .path("/tmp/given")
            .build();
        let tar: Vec<_> = client
            .download_from_container(&id, Some(from))
            .try_collect()
            .await
            .unwrap();
        let tar = tar.concat();
        assert!(String::from_utf8_lossy(&tar).contains("from bollard\n"));
        client.remove_container(&id, None).await.unwrap();

        // All that was, in its order; the stream ends by itself.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let soon = (now.unwrap().as_secs() + 1).to_string();
        let about = HashMap::from([("container", vec![id.as_str()])]);
        let span = EventsOptionsBuilder::new()
            .since("0")
            .until(&soon)
            .filters(&about);
        let events: Vec<_> = client
            .events(Some(span.build()))
            .try_collect()
            .await
            .unwrap();
        let actions: Vec<_> = events
            .into_iter()
            .filter_map(|event| event.action)
            .collect();
        for (earlier, later) in [("create", "start"), ("start", "die"), ("die", "destroy")] {
            let at = |action: &str| actions.iter().position(|one| one == action);
            assert!(
                at(earlier).is_some() && at(earlier) < at(later),
                "{actions:?}"
            );
        }
    });
}
