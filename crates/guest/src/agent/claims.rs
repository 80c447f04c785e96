//! Ports of the host, claimed by programs of the guest on a unix socket: a line each way
//! ([`gantry_claim`]), then nothing: the claim lives as long as the connection.
//!
//! A claim outlives sessions with the host: it is made again in each. Where there is no
//! session, a claim is answered as if it had been granted, since the machine may be starting or its host
//! be started anew; only a port of the host's own choice has to wait.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gantry_claim::{Answer, Claim, LONGEST_LINE, Refusal, RefusalKind};
use gantry_tunnel::{Lines, OpenError, Purpose, Stream, Tunnel};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::channel::bind_private;
use super::{Session, say};

/// Claims at once. Fewer than the streams that a guest may open.
const MOST: usize = 1024;
/// How long a program may take to say what it wants.
const LINE: Duration = Duration::from_secs(10);
/// How long a port of the host's choice may wait for a host.
const HOST: Duration = Duration::from_secs(15);

/// Serves the socket at `path` from now on.
pub fn listen(path: &Path, session: Session) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let listener = bind_private(path)?;
    tokio::spawn(accept(listener, session));
    Ok(())
}

async fn accept(listener: UnixListener, session: Session) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        // Closed never; who comes beyond the limit waits in the socket's queue.
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((client, _)) => {
                let session = session.clone();
                tokio::spawn(async move {
                    serve(client, session).await;
                    drop(permit);
                });
            }
            Err(error) => {
                say(format_args!("claims can't be taken: {error}"));
                // Out of descriptors, of which some come back with time.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// A claim from its line to the end of its connection.
async fn serve(client: UnixStream, session: Session) {
    let mut lines = Lines::new(client, LONGEST_LINE);
    let claim = match timeout(LINE, lines.next::<Claim>()).await {
        Ok(Ok(Some(claim))) => claim,
        Ok(Err(error)) => {
            let refusal = Refusal::new(RefusalKind::Unsupported, error.to_string());
            // Whoever is gone needs no answer.
            let _ = lines.send(&Answer::Refused(refusal)).await;
            return;
        }
        Ok(Ok(None)) | Err(_) => return,
    };
    let mut held = Held {
        claim,
        lines,
        session,
        is_answered: false,
    };
    held.keep().await;
}

/// A claim that somebody waits for or has.
struct Held {
    claim: Claim,
    lines: Lines<UnixStream>,
    session: Session,
    is_answered: bool,
}

impl Held {
    /// Holds the claim in one session after the other, until its owner goes.
    async fn keep(&mut self) {
        loop {
            let session = self.session.borrow_and_update().clone();
            let mut stream = match session {
                Some(tunnel) => match self.claim_of(&tunnel).await {
                    Wish::Granted(stream) => Some(stream),
                    Wish::Later => None,
                    Wish::Over => return,
                },
                None if self.is_answered => None,
                None => {
                    if self.answer_without_host().await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            // The owner's going is the end; the session's is the beginning of the next try.
            let mut word = [0; 64];
            loop {
                tokio::select! {
                    read = self.lines.get_mut().read(&mut word) => match read {
                        // Nothing is to be said any more, and nothing is heard.
                        Ok(1..) => {}
                        _ => return,
                    },
                    changed = self.session.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    () = ended(&mut stream) => stream = None,
                }
            }
        }
    }

    async fn claim_of(&mut self, tunnel: &Tunnel) -> Wish {
        let purpose = Purpose::Listen(self.claim);
        let asked = tokio::select! {
            asked = tunnel.open_for_answer(&purpose) => asked,
            () = gone(self.lines.get_mut()) => return Wish::Over,
        };
        match asked {
            Ok((stream, gantry_tunnel::Answer::Listening { at })) => {
                // A port of the host's choice is to be the same in the next session.
                self.claim.host = at;
                match self.answer(Answer::Listening(at)).await {
                    Ok(()) => Wish::Granted(stream),
                    Err(_) => Wish::Over,
                }
            }
            Ok((_, gantry_tunnel::Answer::Ready)) => {
                let why = "the host didn't say where it listens";
                self.refused(Refusal::new(RefusalKind::Failed, why)).await
            }
            Err(OpenError::Refused(refusal)) => self.refused(refusal).await,
            // The next session will tell.
            Err(OpenError::Tunnel(_)) if self.is_answered => Wish::Later,
            Err(OpenError::Tunnel(_)) => match self.answer_without_host().await {
                Ok(()) => Wish::Later,
                Err(_) => Wish::Over,
            },
            Err(error) => {
                let refusal = Refusal::new(RefusalKind::Failed, error.to_string());
                self.refused(refusal).await
            }
        }
    }

    /// A new claim is refused; one that somebody has is kept for a later session.
    async fn refused(&mut self, refusal: Refusal) -> Wish {
        if self.is_answered {
            let Claim { protocol, host, .. } = self.claim;
            say(format_args!(
                "{host}/{protocol} is lost on the host until its next session: {refusal}"
            ));
            return Wish::Later;
        }
        // Whoever is gone needs no answer.
        let _ = self.lines.send(&Answer::Refused(refusal)).await;
        Wish::Over
    }

    async fn answer_without_host(&mut self) -> Result<(), Gone> {
        if self.claim.host.port() != 0 {
            return self.answer(Answer::Listening(self.claim.host)).await;
        }
        let host = timeout(HOST, self.session.wait_for(Option::is_some));
        let came = tokio::select! {
            came = host => matches!(came, Ok(Ok(_))),
            () = gone(self.lines.get_mut()) => return Err(Gone),
        };
        if came {
            // It is asked next.
            self.session.mark_changed();
            return Ok(());
        }
        let why = "no host is there to choose a port";
        self.refused(Refusal::new(RefusalKind::Unreachable, why))
            .await;
        Err(Gone)
    }

    async fn answer(&mut self, answer: Answer) -> Result<(), Gone> {
        if std::mem::replace(&mut self.is_answered, true) {
            return Ok(());
        }
        self.lines.send(&answer).await.map_err(|_| Gone)
    }
}

enum Wish {
    Granted(Stream),
    /// Not in this session.
    Later,
    /// The connection is of no more use.
    Over,
}

/// The owner of a claim is gone, or has its refusal.
struct Gone;

/// Waits until the host has given up the port, with the session or by itself.
async fn ended(stream: &mut Option<Stream>) {
    let Some(stream) = stream else {
        return std::future::pending().await;
    };
    let mut word = [0; 64];
    while let Ok(1..) = stream.read(&mut word).await {}
}

/// Waits until the other end is closed by all who have it; the kernel tells.
async fn gone(client: &mut UnixStream) {
    let mut word = [0; 64];
    while let Ok(1..) = client.read(&mut word).await {}
}
