//! The machine's life, from start to end: the only writer of its state.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::clock::{self, Clock};
use super::session::{Session, set_time};
use super::shared::{Change, Shared, Wish};
use super::stage::{self, Interrupt};
use super::{console, engine, idle, stop};
use crate::backend::{Backend, Vm};
use crate::image;
use crate::state::{Cause, Stage, State};

/// A virtual machine that dies again within this time of its last restart is not started once more.
const TWICE: Duration = Duration::from_secs(60);

/// How a run ended.
enum End {
    Stopped,
    Failed(Cause),
    /// The virtual machine died under way.
    Died(Cause),
}

/// Starts the machine, or takes it over, and stays with it to its end.
pub async fn drive<B: Backend>(shared: Arc<Shared>, backend: B, mut wishes: mpsc::Receiver<Wish>) {
    let mut restarted: Option<Instant> = None;
    let end = loop {
        match once(&shared, &backend, &mut wishes).await {
            End::Died(cause) if restarted.is_none_or(|at| at.elapsed() > TWICE) => {
                tracing::warn!(%cause, "the virtual machine died and is started once more");
                restarted = Some(Instant::now());
            }
            End::Died(cause) | End::Failed(cause) => break State::Failed { cause },
            End::Stopped => break State::Stopped,
        }
    };
    shared.vm(None);
    shared.set(end);
}

/// One life of the virtual machine.
async fn once<B: Backend>(
    shared: &Arc<Shared>,
    backend: &B,
    wishes: &mut mpsc::Receiver<Wish>,
) -> End {
    let vm = match bring_up(shared, backend, wishes).await {
        Ok(vm) => Arc::new(vm),
        Err(interrupt) => {
            // It may have come up after all.
            if let Ok(Some(vm)) = backend.attach(&shared.machine).await
                && let Err(why) = stop::end(&vm).await
            {
                tracing::error!(why, "what was begun could not be ended");
            }
            return match interrupt {
                Interrupt::Stop { .. } => {
                    shared.set(State::Stopping);
                    End::Stopped
                }
                Interrupt::Failed(cause) => End::Failed(cause),
            };
        }
    };
    shared.vm(Some((vm.facts(), vm.pid())));
    note_image(shared, vm.facts().image.as_deref());
    let session = match greet(shared, &vm, wishes).await {
        Ok(session) => session,
        Err((session, Interrupt::Stop { force })) => {
            // Before the agent answers there is nobody to put anything away.
            let tunnel = session.as_ref().map(|session| &session.tunnel);
            let force = force || tunnel.is_none();
            shared.set(State::Stopping);
            return stopped(stop::stop(&*vm, tunnel, force).await);
        }
        Err((_, Interrupt::Failed(cause))) => {
            if let Err(why) = stop::end(&*vm).await {
                tracing::error!(why, "after a failed start");
            }
            return End::Failed(cause);
        }
    };
    shared.set(State::Running);
    Serving::new(shared, vm, session).run(wishes).await
}

fn stopped(result: Result<(), String>) -> End {
    match result {
        Ok(()) => End::Stopped,
        Err(message) => End::Failed(Cause {
            stage: None,
            message,
            console: Vec::new(),
            advice: "End the process yourself; `gantry machine inspect` shows its number."
                .to_owned(),
        }),
    }
}

/// The stages up to a virtual machine that answers.
async fn bring_up<B: Backend>(
    shared: &Arc<Shared>,
    backend: &B,
    wishes: &mut mpsc::Receiver<Wish>,
) -> Result<B::Vm, Interrupt> {
    let limit = |stage: Stage| stage.limit(false);
    let machine = &shared.machine;
    let found = stage::run(
        shared,
        wishes,
        Stage::Image,
        limit(Stage::Image),
        pending(),
        async {
            let attached = backend
                .attach(machine)
                .await
                .map_err(|error| error.to_string())?;
            if let Some(vm) = attached {
                tracing::info!("took over the virtual machine of an earlier host process");
                return Ok(Found::Vm(vm));
            }
            let (store, machine) = (shared.store.clone(), machine.clone());
            let checked = tokio::task::spawn_blocking(move || {
                let image =
                    image::find(&store.home().verified()).map_err(|error| error.to_string())?;
                machine.ready_disk().map_err(|error| error.to_string())?;
                console::rotate(&machine.paths.console())
                    .map_err(|error| format!("put the last console aside: {error}"))?;
                Ok(image)
            });
            let image = checked
                .await
                .unwrap_or_else(|error| Err(error.to_string()))?;
            Ok(Found::Image(image))
        },
    )
    .await?;
    let image = match found {
        Found::Vm(vm) => return Ok(vm),
        Found::Image(image) => image,
    };
    stage::run(
        shared,
        wishes,
        Stage::Vm,
        limit(Stage::Vm),
        pending(),
        async {
            backend
                .start(machine, &image)
                .await
                .map_err(|error| error.to_string())
        },
    )
    .await
}

enum Found<V> {
    /// One runs.
    Vm(V),
    /// None does; it can be started from this.
    Image(image::GuestImage),
}

/// The stages from a virtual machine to an engine that answers.
async fn greet(
    shared: &Arc<Shared>,
    vm: &Arc<impl Vm>,
    wishes: &mut mpsc::Receiver<Wish>,
) -> Result<Session, (Option<Session>, Interrupt)> {
    let emulated = vm.facts().emulated;
    let session = stage::run(
        shared,
        wishes,
        Stage::Kernel,
        Stage::Kernel.limit(emulated),
        vm.ended(),
        Session::begin(shared.clone(), &**vm),
    )
    .await
    .map_err(|interrupt| (None, interrupt))?;
    let answers = engine::answers(&session.tunnel);
    let answered = stage::run(
        shared,
        wishes,
        Stage::Engine,
        Stage::Engine.limit(emulated),
        vm.ended(),
        answers,
    )
    .await;
    match answered {
        Ok(()) => Ok(session),
        Err(interrupt) => Err((Some(session), interrupt)),
    }
}

/// Writes down which image ran last.
fn note_image(shared: &Shared, version: Option<&str>) {
    if version.is_none() || shared.machine.spec.last_image.as_deref() == version {
        return;
    }
    let changed = shared.store.change(&shared.machine.spec.name, |spec| {
        spec.last_image = version.map(str::to_owned);
        Ok(())
    });
    if let Err(error) = changed {
        tracing::warn!(%error, "the image's version is not written down");
    }
}

type Beginning = Pin<Box<dyn Future<Output = Result<Session, String>> + Send>>;

/// The tunnel's session, or the way to a new one.
enum Link {
    Up(Session),
    Down(Beginning),
}

enum Event {
    Over(Arc<gantry_tunnel::TunnelError>),
    Begun(Session),
    Lost(String),
}

impl Link {
    async fn next(&mut self) -> Event {
        match self {
            Link::Up(session) => Event::Over(session.tunnel.closed().await),
            Link::Down(beginning) => match beginning.await {
                Ok(session) => Event::Begun(session),
                Err(why) => Event::Lost(why),
            },
        }
    }

    fn tunnel(&self) -> Option<gantry_tunnel::Tunnel> {
        match self {
            Link::Up(session) => Some(session.tunnel.clone()),
            Link::Down(_) => None,
        }
    }
}

/// A machine that runs or is paused.
struct Serving<'a, V> {
    shared: &'a Arc<Shared>,
    vm: Arc<V>,
    link: Link,
    clock: Clock,
}

impl<'a, V: Vm> Serving<'a, V> {
    fn new(shared: &'a Arc<Shared>, vm: Arc<V>, session: Session) -> Self {
        Serving {
            shared,
            vm,
            link: Link::Up(session),
            clock: Clock::new(),
        }
    }

    async fn run(mut self, wishes: &mut mpsc::Receiver<Wish>) -> End {
        let mut looks = tokio::time::interval(clock::LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                how = self.vm.ended() => return End::Died(stage::cause(self.shared, None, how)),
                event = self.link.next() => {
                    if let Some(end) = self.linked(event).await {
                        return end;
                    }
                }
                wish = wishes.recv() => {
                    if let Some(end) = self.wished(wish).await {
                        return end;
                    }
                }
                _ = looks.tick() => self.look().await,
            }
        }
    }

    async fn linked(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Over(why) => {
                tracing::warn!(%why, "the tunnel's session is over");
                self.link = Link::Down(self.beginning());
                None
            }
            Event::Begun(session) => {
                tracing::info!("a new session of the tunnel");
                self.link = Link::Up(session);
                self.clock = Clock::new();
                None
            }
            Event::Lost(why) => {
                if let Err(why) = stop::end(&*self.vm).await {
                    tracing::error!(why, "a guest that doesn't answer");
                }
                let message = format!("the guest doesn't answer any more: {why}");
                Some(End::Died(stage::cause(self.shared, None, message)))
            }
        }
    }

    fn beginning(&self) -> Beginning {
        let (shared, vm) = (self.shared.clone(), self.vm.clone());
        // A guest that stands still answers when it goes on; the limit begins then.
        let limit = Stage::Kernel.limit(vm.facts().emulated);
        Box::pin(async move {
            // The one before must have let go of the channel.
            shared.set_tunnel(None);
            tokio::time::timeout(limit, Session::begin(shared, &*vm))
                .await
                .unwrap_or_else(|_| Err(format!("nothing came within {} s", limit.as_secs())))
        })
    }

    async fn wished(&mut self, wish: Option<Wish>) -> Option<End> {
        match wish {
            None => pending().await,
            Some(Wish::Stop { force }) => {
                self.shared.set(State::Stopping);
                let tunnel = self.link.tunnel();
                Some(stopped(stop::stop(&*self.vm, tunnel.as_ref(), force).await))
            }
            Some(Wish::Change(change, done)) => {
                let _ = done.send(self.change(change).await);
                None
            }
            Some(Wish::Memory(answer)) => {
                let _ = answer.send(self.vm.memory().await);
                None
            }
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), String> {
        let paused = self.shared.status().state == State::Paused;
        let words = |error: crate::backend::BackendError| error.to_string();
        match change {
            Change::Pause if paused => Ok(()),
            Change::Pause => self.pause().await,
            Change::Resume if !paused => Ok(()),
            Change::Resume => {
                self.vm.resume().await.map_err(words)?;
                if let Some(tunnel) = self.link.tunnel() {
                    tunnel.set_peer_paused(false);
                    tokio::spawn(set_time(tunnel));
                }
                self.shared.used();
                self.shared.set(State::Running);
                Ok(())
            }
            Change::Memory(bytes) => self.vm.balloon(bytes).await.map_err(words),
            Change::Disk(bytes) => {
                self.vm.grow(bytes).await.map_err(words)?;
                let tunnel = self.link.tunnel().ok_or("the guest doesn't answer")?;
                super::session::call(&tunnel, &gantry_tunnel::agent::AgentCall::Grow)
                    .await
                    .map(drop)
            }
        }
    }

    async fn pause(&mut self) -> Result<(), String> {
        // First, or its silence would be taken for its end.
        let tunnel = self.link.tunnel().ok_or("the guest doesn't answer")?;
        tunnel.set_peer_paused(true);
        if let Err(error) = self.vm.pause().await {
            tunnel.set_peer_paused(false);
            return Err(error.to_string());
        }
        self.shared.set(State::Paused);
        Ok(())
    }

    async fn look(&mut self) {
        if let Err(error) = console::bound(&self.shared.machine.paths.console()) {
            tracing::warn!(%error, "the guest's console");
        }
        if self.shared.status().state != State::Running {
            return;
        }
        if self.clock.due()
            && let Some(tunnel) = self.link.tunnel()
        {
            tokio::spawn(set_time(tunnel));
        }
        if let Some(minutes) = self.shared.machine.spec.pause_idle
            && idle::is_idle(self.shared, minutes).await
            && let Err(why) = self.pause().await
        {
            tracing::warn!(why, "an idle machine was not paused");
        }
    }
}
