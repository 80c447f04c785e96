//! A container's log, line by line, for the Logs tab.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::StreamExt;
use serde::Serialize;
use tauri::State;
use tauri::ipc::Channel;

use crate::engine::Engine;
use crate::engine::commands::page_gone;
use crate::error::CommandError;
use crate::streams::Streams;

/// Lines in one message to the page.
const BATCH: usize = 2000;

/// Bytes after which a message is full, however few its lines.
const BATCH_BYTES: usize = 1024 * 1024;

/// How long a line waits for others to share its message: the page draws some 25 times a second.
const GATHER: Duration = Duration::from_millis(40);

/// Bytes after which a line is cut in two: a log without line ends must not gather in memory.
const MAX_LINE: usize = 64 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LogLine {
    /// When it was written: RFC 3339; empty where the engine doesn't tell.
    pub time: String,
    /// Whether it came from stderr.
    pub stderr: bool,
    /// Its text, without the line's end.
    pub text: String,
}

/// Sends the last `tail` lines of a container's log, then those that come, until the page closes `stream` or the
/// container has ended and its log is told.
#[tauri::command]
pub async fn logs_follow(
    engine: State<'_, Engine>,
    streams: State<'_, Streams>,
    stream: u32,
    id: String,
    tail: u32,
    lines: Channel<Vec<LogLine>>,
) -> Result<(), CommandError> {
    let client = engine.client()?;
    streams
        .run(stream, |flow| async move {
            let options = LogsOptionsBuilder::new()
                .follow(true)
                .stdout(true)
                .stderr(true)
                .timestamps(true)
                .tail(&tail.to_string())
                .build();
            let mut output = std::pin::pin!(client.logs(&id, Some(options)).fuse());
            let mut assembler = Assembler::default();
            while let Some(first) = output.next().await {
                let mut batch = Vec::new();
                let mut bytes = 0;
                let mut next = Some(first);
                let gathered = tokio::time::sleep(GATHER);
                tokio::pin!(gathered);
                let failure = loop {
                    match next {
                        Some(Ok(entry)) => {
                            bytes += entry.as_ref().len();
                            assembler.take(entry, &mut batch);
                        }
                        Some(Err(error)) => break Some(error),
                        None => break None,
                    }
                    if batch.len() >= BATCH || bytes >= BATCH_BYTES {
                        break None;
                    }
                    next = tokio::select! {
                        biased;
                        next = output.next() => next,
                        () = &mut gathered => break None,
                    };
                };
                if !batch.is_empty() {
                    flow.ready().await;
                    lines.send(batch).map_err(page_gone)?;
                }
                if let Some(error) = failure {
                    return Err(error.into());
                }
            }
            let rest = assembler.finish();
            if !rest.is_empty() {
                lines.send(rest).map_err(page_gone)?;
            }
            Ok(())
        })
        .await
}

/// Puts lines together from the engine's entries: an entry without a line's end goes on in the stream's next one.
#[derive(Default)]
struct Assembler {
    open: [Option<LogLine>; 2],
}

impl Assembler {
    fn take(&mut self, output: LogOutput, lines: &mut Vec<LogLine>) {
        let (stderr, bytes) = match &output {
            LogOutput::StdErr { message } => (true, message),
            LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => (false, message),
        };
        let entry = String::from_utf8_lossy(bytes);
        for part in entry.split_inclusive('\n') {
            let (time, text) = split_time(part);
            let (text, ended) = match text.strip_suffix('\n') {
                Some(text) => (text.strip_suffix('\r').unwrap_or(text), true),
                None => (text, false),
            };
            let open = &mut self.open[usize::from(stderr)];
            let mut line = open.take().unwrap_or_else(|| LogLine {
                time: time.to_owned(),
                stderr,
                text: String::new(),
            });
            line.text.push_str(text);
            if ended || line.text.len() >= MAX_LINE {
                lines.push(line);
            } else {
                *open = Some(line);
            }
        }
    }

    fn finish(&mut self) -> Vec<LogLine> {
        self.open.iter_mut().filter_map(Option::take).collect()
    }
}

/// An entry asked for with timestamps begins with one and a space.
fn split_time(entry: &str) -> (&str, &str) {
    match entry.split_once(' ') {
        Some((time, text)) if is_time(time) => (time, text),
        // An empty line: the timestamp, a space that some engines leave out, the line's end.
        _ if is_time(entry.trim_end()) => (entry.trim_end(), &entry[entry.trim_end().len()..]),
        _ => ("", entry),
    }
}

fn is_time(word: &str) -> bool {
    let bytes = word.as_bytes();
    (20..=35).contains(&bytes.len())
        && bytes[4] == b'-'
        && bytes[10] == b'T'
        && bytes[..4].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-03-01T10:00:00.000000001Z";

    fn lines(outputs: Vec<LogOutput>) -> Vec<LogLine> {
        let mut assembler = Assembler::default();
        let mut lines = Vec::new();
        for output in outputs {
            assembler.take(output, &mut lines);
        }
        lines.extend(assembler.finish());
        lines
    }

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut {
            message: text.to_owned().into(),
        }
    }

    #[test]
    fn time_and_text_are_told_apart() {
        let line = &lines(vec![out(&format!("{TIME} hello world\r\n"))])[0];
        assert_eq!(
            (line.time.as_str(), line.text.as_str(), line.stderr),
            (TIME, "hello world", false)
        );
        assert_eq!(lines(vec![out("no time\n")])[0].text, "no time");
        assert_eq!(lines(vec![out(&format!("{TIME} \n"))])[0].text, "");
        assert_eq!(lines(vec![out(&format!("{TIME}\n"))])[0].text, "");
    }

    #[test]
    fn a_long_line_told_in_parts_is_one_line_even_between_lines_of_the_other_stream() {
        let told = lines(vec![
            out(&format!("{TIME} first, ")),
            LogOutput::StdErr {
                message: format!("{TIME} oops\n").into(),
            },
            out(&format!("{TIME} second\n")),
            out(&format!("{TIME} open")),
        ]);
        let texts: Vec<_> = told
            .iter()
            .map(|line| (line.stderr, line.text.as_str()))
            .collect();
        assert_eq!(
            texts,
            [(true, "oops"), (false, "first, second"), (false, "open")]
        );
    }

    #[test]
    fn a_log_without_line_ends_does_not_gather() {
        let mut assembler = Assembler::default();
        let mut lines = Vec::new();
        for _ in 0..100 {
            assembler.take(out(&"x".repeat(16 * 1024)), &mut lines);
        }
        assert_eq!(lines.len(), 25);
    }
}
