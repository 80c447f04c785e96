//! Claims on ports of the machine's host, kept for as long as this process lives.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gantry_claim::{Answer, Claim, LONGEST_LINE};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::task::spawn_local;

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries to find an agent again: nobody tells when it is back, nor when a port is free.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Claims that nobody watches yet.
#[derive(Default)]
pub(crate) struct Claims(Vec<(PathBuf, Claim, OwnedFd)>);

impl Claims {
    /// Takes the connections of one order.
    pub(crate) fn add(
        &mut self,
        agent: &Path,
        claims: &[Claim],
        connections: Vec<OwnedFd>,
    ) -> io::Result<()> {
        if claims.len() != connections.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a connection for each claim",
            ));
        }
        let both = claims.iter().zip(connections);
        self.0
            .extend(both.map(|(claim, connection)| (agent.to_owned(), *claim, connection)));
        Ok(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Keeps them all.
    pub(crate) fn keep(self) -> io::Result<()> {
        for (agent, claim, connection) in self.0 {
            let connection = Connection::from(connection);
            connection.set_nonblocking(true)?;
            let connection = UnixStream::from_std(connection)?;
            spawn_local(keep(agent, claim, connection));
        }
        Ok(())
    }
}

/// An agent that ends takes its claims along; the next one is told of them.
async fn keep(agent: PathBuf, claim: Claim, mut connection: UnixStream) {
    loop {
        ended(connection).await;
        let mut pause = PAUSE;
        connection = loop {
            let asked = tokio::time::timeout(PATIENCE, ask(&agent, &claim)).await;
            match asked {
                Ok(Ok(connection)) => break connection,
                _ => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
    }
}

/// Returns when the other side is gone; it has nothing to say.
async fn ended(mut connection: UnixStream) {
    let mut bytes = [0; 64];
    while connection.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

async fn ask(agent: &Path, claim: &Claim) -> io::Result<UnixStream> {
    let mut connection = UnixStream::connect(agent).await?;
    let mut line = serde_json::to_vec(claim)?;
    line.push(b'\n');
    connection.write_all(&line).await?;
    let mut answer = Vec::new();
    let mut reader = BufReader::new(&mut connection).take(LONGEST_LINE as u64);
    reader.read_until(b'\n', &mut answer).await?;
    match serde_json::from_slice(&answer)? {
        Answer::Listening(_) => Ok(connection),
        Answer::Refused(refusal) => Err(io::Error::other(refusal)),
    }
}
