//! The lifecycle's own logic, with a virtual machine that does what a test tells it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gantry_tunnel::agent::{AgentCall, AgentReply, MAX_LINE};
use gantry_tunnel::{Answer, Lines, Purpose, Refusal, RefusalKind, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};

use super::lifecycle::drive;
use super::shared::{Change, Shared, Wish};
use crate::backend::{Backend, BackendError, Channel, Vm, VmFacts};
use crate::image::GuestImage;
use crate::paths::Home;
use crate::spec::{GIB, Spec};
use crate::state::{Stage, State};
use crate::store::{Machine, Store};

/// What the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guest {
    /// All that is asked.
    Works,
    /// Nothing.
    Silent,
    /// Its agent answers, its engine never does.
    NoEngine,
    /// It answers, but does not turn itself off.
    Stubborn,
}

struct Script {
    guest: Guest,
    starts: AtomicU32,
    /// The machine that runs, if one does.
    running: Mutex<Option<watch::Sender<Option<String>>>>,
    log: Mutex<Vec<&'static str>>,
}

#[derive(Clone)]
struct Scripted(Arc<Script>);

struct ScriptedVm {
    script: Arc<Script>,
    facts: VmFacts,
    end: watch::Sender<Option<String>>,
}

impl Scripted {
    fn new(guest: Guest) -> Scripted {
        Scripted(Arc::new(Script {
            guest,
            starts: AtomicU32::new(0),
            running: Mutex::default(),
            log: Mutex::default(),
        }))
    }

    /// The virtual machine dies.
    fn dies(&self) {
        let running = self.0.running.lock().unwrap();
        running
            .as_ref()
            .unwrap()
            .send_replace(Some("it was killed".to_owned()));
    }

    fn log(&self) -> Vec<&'static str> {
        self.0.log.lock().unwrap().clone()
    }
}

impl Backend for Scripted {
    type Vm = ScriptedVm;

    async fn start(&self, _: &Machine, _: &GuestImage) -> Result<ScriptedVm, BackendError> {
        Err(BackendError::Unsupported(
            "there is always one to take over",
        ))
    }

    async fn attach(&self, _: &Machine) -> Result<Option<ScriptedVm>, BackendError> {
        self.0.starts.fetch_add(1, Ordering::Relaxed);
        let end = watch::Sender::new(None);
        *self.0.running.lock().unwrap() = Some(end.clone());
        Ok(Some(ScriptedVm {
            script: self.0.clone(),
            facts: VmFacts {
                accelerator: "script".to_owned(),
                emulated: false,
                image: None,
                warnings: Vec::new(),
            },
            end,
        }))
    }
}

impl ScriptedVm {
    fn note(&self, what: &'static str) {
        self.script.log.lock().unwrap().push(what);
    }
}

impl Vm for ScriptedVm {
    fn facts(&self) -> &VmFacts {
        &self.facts
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    async fn channel(&self) -> Result<Channel, BackendError> {
        let (host, guest) = tokio::io::duplex(64 * 1024);
        tokio::spawn(run_guest(guest, self.script.guest, self.end.clone()));
        Ok(Box::new(host))
    }

    async fn ended(&self) -> String {
        let mut end = self.end.subscribe();
        let how = end.wait_for(Option::is_some).await.unwrap().clone();
        how.unwrap()
    }

    async fn power_button(&self) -> Result<(), BackendError> {
        self.note("button");
        Ok(())
    }

    async fn quit(&self) -> Result<(), BackendError> {
        self.note("quit");
        self.end.send_replace(Some("it was told to end".to_owned()));
        Ok(())
    }

    async fn kill(&self) -> Result<(), BackendError> {
        self.note("kill");
        Ok(())
    }

    async fn pause(&self) -> Result<(), BackendError> {
        self.note("pause");
        Ok(())
    }

    async fn resume(&self) -> Result<(), BackendError> {
        self.note("resume");
        Ok(())
    }

    async fn balloon(&self, _: u64) -> Result<(), BackendError> {
        Err(BackendError::Unsupported("no balloon"))
    }

    async fn memory(&self) -> Option<u64> {
        None
    }

    async fn grow(&self, _: u64) -> Result<(), BackendError> {
        Ok(())
    }
}

async fn run_guest(
    mut io: tokio::io::DuplexStream,
    guest: Guest,
    end: watch::Sender<Option<String>>,
) {
    if guest == Guest::Silent {
        let mut buffer = [0; 1024];
        while let Ok(1..) = io.read(&mut buffer).await {}
        return;
    }
    let Ok((_tunnel, mut incoming)) = gantry_tunnel::accept(io).await else {
        return;
    };
    while let Some(request) = incoming.next().await {
        tokio::spawn(answer(request, guest, end.clone()));
    }
}

async fn answer(request: Request, guest: Guest, end: watch::Sender<Option<String>>) {
    match request.purpose {
        Purpose::Api if guest == Guest::NoEngine => {
            let no = Refusal::new(RefusalKind::Unreachable, "no engine");
            request.refuse(no).await.unwrap();
        }
        Purpose::Api => {
            let mut stream = request.accept(Answer::Ready).await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
            }
            stream
                .write_all(b"HTTP/1.0 200 OK\r\n\r\n[]")
                .await
                .unwrap();
            stream.shutdown().await.unwrap();
        }
        Purpose::Agent => {
            let stream = request.accept(Answer::Ready).await.unwrap();
            let mut lines = Lines::new(stream, MAX_LINE);
            while let Ok(Some(call)) = lines.next::<AgentCall>().await {
                let _ = lines.send(&AgentReply::Done).await;
                if call == AgentCall::PowerOff && guest != Guest::Stubborn {
                    end.send_replace(Some("it turned itself off".to_owned()));
                }
            }
        }
        _ => {}
    }
}

struct Life {
    _folder: tempfile::TempDir,
    shared: Arc<Shared>,
    backend: Scripted,
    driving: tokio::task::JoinHandle<()>,
}

impl Life {
    fn begin(guest: Guest, change: impl FnOnce(&mut Spec)) -> Life {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Home::new(folder.path(), folder.path().join("run")));
        let mut spec = Spec::defaults("a".parse().unwrap(), 1, GIB);
        spec.disk = GIB;
        change(&mut spec);
        let machine = store.create(&spec).unwrap();
        std::fs::write(machine.paths.console(), "gantry: mount no disk\n").unwrap();
        let (wishes, wished) = mpsc::channel(16);
        let shared = Arc::new(Shared::new(store, machine, wishes));
        let backend = Scripted::new(guest);
        let driving = tokio::spawn(drive(shared.clone(), backend.clone(), wished));
        Life {
            _folder: folder,
            shared,
            backend,
            driving,
        }
    }

    async fn until(&self, wanted: impl Fn(&State) -> bool) -> State {
        let mut status = self.shared.watch();
        let found = status
            .wait_for(|status| wanted(&status.state))
            .await
            .unwrap();
        found.state.clone()
    }

    async fn end(self) -> State {
        self.driving.await.unwrap();
        self.shared.status().state
    }

    async fn change(&self, change: Change) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        let wish = Wish::Change(change, done);
        assert!(self.shared.wishes.send(wish).await.is_ok());
        answer.await.unwrap()
    }

    async fn stop(&self, force: bool) {
        assert!(self.shared.wishes.send(Wish::Stop { force }).await.is_ok());
    }
}

fn cause(state: State) -> crate::Cause {
    match state {
        State::Failed { cause } => cause,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_comes_up_and_goes_down_by_its_own_agent() {
    let life = Life::begin(Guest::Works, |_| ());
    life.until(|state| *state == State::Running).await;
    let stages: Vec<Stage> = life
        .shared
        .status()
        .stages
        .iter()
        .map(|(stage, _)| *stage)
        .collect();
    assert_eq!(stages, [Stage::Image, Stage::Kernel, Stage::Engine]);
    life.stop(false).await;
    let backend = life.backend.clone();
    assert_eq!(life.end().await, State::Stopped);
    assert_eq!(backend.log(), ["resume"]);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_says_nothing_fails_by_its_stages_limit_with_the_console() {
    let life = Life::begin(Guest::Silent, |_| ());
    let backend = life.backend.clone();
    let cause = cause(life.end().await);
    assert_eq!(cause.stage, Some(Stage::Kernel));
    assert_eq!(cause.message, "nothing came of it within 60 s");
    assert_eq!(cause.console, ["gantry: mount no disk"]);
    assert_eq!(backend.log(), ["quit"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answers_fails_by_its_own_stage() {
    let life = Life::begin(Guest::NoEngine, |_| ());
    assert_eq!(cause(life.end().await).stage, Some(Stage::Engine));
}

#[tokio::test(start_paused = true)]
async fn a_virtual_machine_that_dies_is_started_once_more_and_not_twice() {
    let life = Life::begin(Guest::Works, |_| ());
    for starts in 1..=2 {
        let again = || life.backend.0.starts.load(Ordering::Relaxed) == starts;
        life.until(|state| *state == State::Running && again())
            .await;
        life.backend.dies();
    }
    let cause = cause(life.end().await);
    assert_eq!(
        (cause.stage, cause.message.as_str()),
        (None, "it was killed")
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_can_be_called_off() {
    let life = Life::begin(Guest::Silent, |_| ());
    let kernel = |state: &State| {
        *state
            == State::Starting {
                stage: Stage::Kernel,
            }
    };
    life.until(kernel).await;
    let refused = life.change(Change::Pause).await.unwrap_err();
    assert_eq!(refused, "the machine is starting");
    life.stop(true).await;
    assert_eq!(life.end().await, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_does_not_turn_itself_off_is_ended_all_the_same() {
    let life = Life::begin(Guest::Stubborn, |_| ());
    life.until(|state| *state == State::Running).await;
    life.stop(false).await;
    let backend = life.backend.clone();
    assert_eq!(life.end().await, State::Stopped);
    assert_eq!(backend.log(), ["resume", "button", "quit"]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_machine_is_woken_by_the_first_request() {
    let life = Life::begin(Guest::Works, |_| ());
    life.until(|state| *state == State::Running).await;
    life.change(Change::Pause).await.unwrap();
    assert_eq!(life.shared.status().state, State::Paused);
    life.shared.ready().await.unwrap();
    assert_eq!(life.shared.status().state, State::Running);
    assert_eq!(life.backend.log(), ["pause", "resume"]);
}
