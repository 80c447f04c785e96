//! A client of QEMU's monitor protocol (QMP): commands with their answers, and events.
//!
//! A line of JSON each way; the greeting comes first, then `qmp_capabilities` is expected. What QEMU says is bounded:
//! the guest has no say in it, but a damaged emulator might.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Mutex, mpsc, watch};

/// A longer line is no answer of QEMU's to what is asked here.
const MAX_LINE: u64 = 1024 * 1024;
/// An emulator that doesn't answer for so long hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Why a command had no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QmpError {
    /// The connection failed.
    #[error("QEMU's monitor: {0}")]
    Io(Arc<io::Error>),
    /// QEMU has closed the connection: it has ended.
    #[error("QEMU has ended")]
    Closed,
    /// QEMU doesn't answer.
    #[error("QEMU did not answer {command} within {} s", ANSWER_LIMIT.as_secs())]
    Silent {
        /// What was asked.
        command: String,
    },
    /// What came is no QMP.
    #[error("QEMU's monitor said what can't be understood: {0}")]
    Malformed(String),
    /// QEMU refused.
    #[error("QEMU refused {command}: {message}")]
    Refused {
        /// What was asked.
        command: String,
        /// QEMU's words.
        message: String,
    },
}

impl From<io::Error> for QmpError {
    fn from(error: io::Error) -> QmpError {
        QmpError::Io(Arc::new(error))
    }
}

type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A connection to a monitor.
pub struct Qmp {
    asking: Mutex<Asking>,
    ended: watch::Receiver<Option<Ended>>,
}

struct Asking {
    writer: Writer,
    answers: mpsc::Receiver<Value>,
    next_id: u64,
}

/// How QEMU ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It said why before: `guest-shutdown`, `guest-reset`, `host-qmp-quit`, `host-signal`, ….
    Shutdown(String),
    /// It said nothing: it was killed or has crashed.
    Silently,
}

impl Qmp {
    /// Takes the greeting and begins.
    pub async fn connect(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Qmp, QmpError> {
        let (reader, writer) = tokio::io::split(io);
        let mut reader = BufReader::new(reader);
        let greeting = tokio::time::timeout(ANSWER_LIMIT, line(&mut reader))
            .await
            .map_err(|_| QmpError::Silent {
                command: "the greeting".to_owned(),
            })??
            .ok_or(QmpError::Closed)?;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::Malformed(shortened(&greeting)));
        }
        let (answer, answers) = mpsc::channel(16);
        let (end, ended) = watch::channel(None);
        tokio::spawn(listen(reader, answer, end));
        let qmp = Qmp {
            asking: Mutex::new(Asking {
                writer: Box::new(writer),
                answers,
                next_id: 0,
            }),
            ended,
        };
        qmp.ask("qmp_capabilities", Value::Null).await?;
        Ok(qmp)
    }

    /// Asks one thing. Askers wait for each other.
    pub async fn ask(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let mut asking = self.asking.lock().await;
        tokio::time::timeout(ANSWER_LIMIT, asking.ask(command, arguments))
            .await
            .map_err(|_| QmpError::Silent {
                command: command.to_owned(),
            })?
    }

    /// Lets the processors stand still.
    pub async fn stop(&self) -> Result<(), QmpError> {
        self.ask("stop", Value::Null).await.map(drop)
    }

    /// Lets them go on.
    pub async fn cont(&self) -> Result<(), QmpError> {
        self.ask("cont", Value::Null).await.map(drop)
    }

    /// Whether the processors run.
    pub async fn is_running(&self) -> Result<bool, QmpError> {
        let status = self.ask("query-status", Value::Null).await?;
        status["running"]
            .as_bool()
            .ok_or_else(|| QmpError::Malformed(shortened(&status)))
    }

    /// Presses the power button.
    pub async fn power_button(&self) -> Result<(), QmpError> {
        self.ask("system_powerdown", Value::Null).await.map(drop)
    }

    /// Ends QEMU at once.
    pub async fn quit(&self) -> Result<(), QmpError> {
        match self.ask("quit", Value::Null).await {
            Ok(_) | Err(QmpError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Wants the guest to have so much memory, in bytes.
    pub async fn balloon(&self, bytes: u64) -> Result<(), QmpError> {
        self.ask("balloon", json!({"value": bytes})).await.map(drop)
    }

    /// How much memory the guest has less what the balloon holds, in bytes.
    pub async fn memory(&self) -> Result<u64, QmpError> {
        let answer = self.ask("query-balloon", Value::Null).await?;
        answer["actual"]
            .as_u64()
            .ok_or_else(|| QmpError::Malformed(shortened(&answer)))
    }

    /// Grows the disk of block node `node` to so many bytes; the guest is told.
    pub async fn grow(&self, node: &str, bytes: u64) -> Result<(), QmpError> {
        self.ask("block_resize", json!({"node-name": node, "size": bytes}))
            .await
            .map(drop)
    }

    /// Waits until QEMU has ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let ended = match ended.wait_for(Option::is_some).await {
            Ok(how) => how.clone(),
            // Whoever listened has gone with the connection.
            Err(_) => None,
        };
        ended.unwrap_or(Ended::Silently)
    }
}

impl Asking {
    async fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.next_id += 1;
        let id = self.next_id;
        let mut call = json!({"execute": command, "id": id});
        if !arguments.is_null() {
            call["arguments"] = arguments;
        }
        let mut text = call.to_string();
        text.push('\n');
        let written = async {
            self.writer.write_all(text.as_bytes()).await?;
            self.writer.flush().await
        };
        match written.await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(QmpError::Closed);
            }
            other => other?,
        }
        loop {
            let mut answer = self.answers.recv().await.ok_or(QmpError::Closed)?;
            // Answers to those who gave up waiting are nobody's.
            if answer["id"] != id {
                continue;
            }
            if let Some(error) = answer.get("error") {
                return Err(QmpError::Refused {
                    command: command.to_owned(),
                    message: error["desc"]
                        .as_str()
                        .unwrap_or("no reason given")
                        .to_owned(),
                });
            }
            return Ok(answer["return"].take());
        }
    }
}

/// Reads until QEMU ends.
async fn listen(
    mut reader: impl AsyncBufReadExt + Unpin,
    answers: mpsc::Sender<Value>,
    end: watch::Sender<Option<Ended>>,
) {
    let mut how = Ended::Silently;
    loop {
        match line(&mut reader).await {
            Ok(Some(value)) => {
                if value["event"] == "SHUTDOWN" {
                    how = Ended::Shutdown(
                        value["data"]["reason"]
                            .as_str()
                            .unwrap_or("unknown")
                            .to_owned(),
                    );
                } else if value.get("event").is_none() && answers.try_send(value).is_err() {
                    tracing::debug!("an answer of QEMU's that nobody waits for");
                }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "QEMU's monitor");
                break;
            }
        }
    }
    end.send_replace(Some(how));
}

async fn line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Option<Value>, QmpError> {
    let mut text = Vec::new();
    match reader.take(MAX_LINE).read_until(b'\n', &mut text).await {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| QmpError::Malformed(error.to_string()))
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (Qmp, BufReader<tokio::io::DuplexStream>) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let qemu = tokio::spawn(async move {
            let mut io = BufReader::new(theirs);
            io.write_all(b"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n")
                .await
                .unwrap();
            reply(&mut io, |_| json!({})).await;
            io
        });
        let qmp = Qmp::connect(ours).await.unwrap();
        (qmp, qemu.await.unwrap())
    }

    async fn reply(
        io: &mut BufReader<tokio::io::DuplexStream>,
        answer: impl Fn(&Value) -> Value,
    ) -> Value {
        let call = line(io).await.unwrap().unwrap();
        let text = json!({"return": answer(&call), "id": call["id"]}).to_string();
        io.write_all(format!("{text}\r\n").as_bytes())
            .await
            .unwrap();
        call
    }

    #[tokio::test]
    async fn answers_find_their_askers_among_events() {
        let (qmp, mut io) = pair().await;
        let qemu = async {
            io.write_all(b"{\"event\":\"RESUME\",\"timestamp\":{}}\n{\"return\":{},\"id\":99}\n")
                .await
                .unwrap();
            reply(&mut io, |_| json!({"status": "running", "running": true})).await
        };
        let (running, call) = tokio::join!(qmp.is_running(), qemu);
        assert!(running.unwrap());
        assert_eq!(call["execute"], "query-status");
    }

    #[tokio::test]
    async fn a_refusal_has_qemus_words() {
        let (qmp, mut io) = pair().await;
        let qemu = async {
            let call = line(&mut io).await.unwrap().unwrap();
            let text =
                json!({"error": {"class": "GenericError", "desc": "no balloon"}, "id": call["id"]});
            io.write_all(format!("{text}\n").as_bytes()).await.unwrap();
        };
        let (refused, ()) = tokio::join!(qmp.balloon(1), qemu);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "QEMU refused balloon: no balloon"
        );
    }

    #[tokio::test]
    async fn the_end_is_noticed_with_its_reason() {
        let (qmp, mut io) = pair().await;
        io.write_all(
            b"{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true,\"reason\":\"guest-shutdown\"}}\n",
        )
        .await
        .unwrap();
        drop(io);
        assert_eq!(qmp.ended().await, Ended::Shutdown("guest-shutdown".into()));
        assert!(matches!(qmp.stop().await, Err(QmpError::Closed)));
        let (qmp, io) = pair().await;
        drop(io);
        assert_eq!(qmp.ended().await, Ended::Silently);
    }

    #[tokio::test]
    async fn what_is_no_monitor_is_an_error() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        assert!(matches!(
            Qmp::connect(ours).await,
            Err(QmpError::Malformed(_))
        ));
    }
}
