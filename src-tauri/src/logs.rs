//! A container's log, line by line, for the Logs tab.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use gantry_api::{FrameDecoder, StreamFrame, StreamKind};
use http_body_util::BodyExt;
use serde::Serialize;
use tauri::State;
use tauri::ipc::Channel;

use crate::engine::Engine;
use crate::engine::commands::page_gone;
use crate::engine::wire::segment;
use crate::error::{CommandError, ErrorCode};
use crate::streams::Streams;

/// Lines in one message to the page.
const BATCH: usize = 2000;

/// Bytes after which a message is full, however few its lines.
const BATCH_BYTES: usize = 1024 * 1024;

/// How long a line waits for others to share its message: the page draws some 25 times a second.
const GATHER: Duration = Duration::from_millis(40);

/// Bytes after which a line is cut in two: a log without line ends must not gather in memory.
const MAX_LINE: usize = 64 * 1024;

/// The longest frame that is taken: engines send a line, or a part of 16 KiB, in one.
const MAX_FRAME: usize = 16 * 1024 * 1024;

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
    let wire = engine.wire()?;
    streams
        .run(stream, |flow| async move {
            let container = client.inspect_container(&id, None).await?;
            let tty = container.config.and_then(|config| config.tty) == Some(true);
            let path = format!(
                "/containers/{}/logs?follow=1&stdout=1&stderr=1&timestamps=1&tail={tail}",
                segment(&id)?
            );
            let mut output = wire.get(&path).await?.into_data_stream().fuse();
            // The log is open, though nothing may have been printed yet.
            flow.ready().await;
            lines.send(Vec::new()).map_err(page_gone)?;
            let mut assembler = Assembler::new(tty);
            while let Some(first) = output.next().await {
                let mut batch = Vec::new();
                let mut bytes = 0;
                let mut next = Some(first);
                let gathered = tokio::time::sleep(GATHER);
                tokio::pin!(gathered);
                let failure = loop {
                    match next {
                        Some(Ok(chunk)) => {
                            bytes += chunk.len();
                            if let Err(error) = assembler.take(&chunk, &mut batch) {
                                break Some(error);
                            }
                        }
                        Some(Err(error)) => break Some(broken(error)),
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
                    return Err(error);
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

fn broken(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(ErrorCode::Failed, format!("the log broke off: {error}"))
}

/// Puts lines together from the bytes of a log: of frames, or raw where the container has a terminal.
struct Assembler {
    /// `None` for a raw log.
    frames: Option<FrameDecoder>,
    /// The beginning of a raw line whose end has not come.
    raw: Vec<u8>,
    /// A line of stdout and one of stderr whose end has not come.
    open: [Option<OpenLine>; 2],
}

/// The beginning of a line.
struct OpenLine {
    time: String,
    text: Vec<u8>,
}

impl Assembler {
    fn new(tty: bool) -> Self {
        Self {
            frames: (!tty).then(|| FrameDecoder::new(MAX_FRAME)),
            raw: Vec::new(),
            open: [None, None],
        }
    }

    fn take(&mut self, bytes: &Bytes, lines: &mut Vec<LogLine>) -> Result<(), CommandError> {
        let Some(frames) = &mut self.frames else {
            self.take_raw(bytes, lines);
            return Ok(());
        };
        frames.feed(bytes);
        loop {
            let frame = self.frames.as_mut().map(FrameDecoder::next_frame);
            let Some(StreamFrame { kind, payload }) = frame.transpose().map_err(broken)?.flatten()
            else {
                return Ok(());
            };
            match kind {
                StreamKind::System => return Err(broken(String::from_utf8_lossy(&payload).trim())),
                kind => self.take_entry(kind == StreamKind::Stderr, &payload, lines),
            }
        }
    }

    fn take_raw(&mut self, bytes: &[u8], lines: &mut Vec<LogLine>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.raw.extend_from_slice(part);
            if part.ends_with(b"\n") || self.raw.len() >= MAX_LINE {
                let entry = std::mem::take(&mut self.raw);
                self.take_entry(false, &entry, lines);
            }
        }
    }

    /// An entry of the log begins with its time. One without a line's end goes on in the stream's next one.
    fn take_entry(&mut self, stderr: bool, entry: &[u8], lines: &mut Vec<LogLine>) {
        let open = &mut self.open[usize::from(stderr)];
        for part in entry.split_inclusive(|byte| *byte == b'\n') {
            let (time, text) = split_time(part);
            let (text, ended) = match text.strip_suffix(b"\n") {
                Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), true),
                None => (text, false),
            };
            let mut line = open.take().unwrap_or_else(|| OpenLine {
                time: time.to_owned(),
                text: Vec::new(),
            });
            line.text.extend_from_slice(text);
            if ended || line.text.len() >= MAX_LINE {
                lines.push(line.end(stderr));
            } else {
                *open = Some(line);
            }
        }
    }

    fn finish(&mut self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        let raw = std::mem::take(&mut self.raw);
        self.take_entry(false, &raw, &mut lines);
        for (at, open) in self.open.iter_mut().enumerate() {
            lines.extend(open.take().map(|line| line.end(at == 1)));
        }
        lines
    }
}

impl OpenLine {
    fn end(self, stderr: bool) -> LogLine {
        LogLine {
            time: self.time,
            stderr,
            text: String::from_utf8_lossy(&self.text).into_owned(),
        }
    }
}

/// An entry asked for with timestamps begins with one and a space.
fn split_time(entry: &[u8]) -> (&str, &[u8]) {
    let end = (entry.iter())
        .position(u8::is_ascii_whitespace)
        .unwrap_or(entry.len());
    let (word, rest) = entry.split_at(end);
    match std::str::from_utf8(word) {
        // Some engines leave the space out before an empty line's end.
        Ok(time) if is_time(time) => (time, rest.strip_prefix(b" ").unwrap_or(rest)),
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
    use bytes::BytesMut;

    use super::*;

    const TIME: &str = "2026-03-01T10:00:00.000000001Z";

    fn framed(entries: &[(StreamKind, &[u8])]) -> Bytes {
        let mut bytes = BytesMut::new();
        for (kind, payload) in entries {
            StreamFrame::encode(*kind, payload, &mut bytes);
        }
        bytes.freeze()
    }

    /// What is read of a log, whichever way its bytes are cut.
    fn lines(tty: bool, bytes: &Bytes) -> Vec<LogLine> {
        let read = |size: usize| {
            let mut assembler = Assembler::new(tty);
            let mut lines = Vec::new();
            for chunk in bytes.chunks(size) {
                let chunk = Bytes::copy_from_slice(chunk);
                assembler.take(&chunk, &mut lines).expect("a log");
            }
            lines.extend(assembler.finish());
            lines
        };
        let whole = read(bytes.len());
        for size in [1, 2, 7, 64] {
            assert_eq!(read(size), whole, "in pieces of {size}");
        }
        whole
    }

    fn out(text: &str) -> Vec<LogLine> {
        lines(false, &framed(&[(StreamKind::Stdout, text.as_bytes())]))
    }

    #[test]
    fn time_and_text_are_told_apart() {
        let line = &out(&format!("{TIME} hello world\r\n"))[0];
        assert_eq!(
            (line.time.as_str(), line.text.as_str(), line.stderr),
            (TIME, "hello world", false)
        );
        assert_eq!(out("no time\n")[0].text, "no time");
        assert_eq!(out(&format!("{TIME} \n"))[0].text, "");
        assert_eq!(out(&format!("{TIME}\n"))[0].text, "");
        assert_eq!(out(&format!("{TIME}  indented\n"))[0].text, " indented");
    }

    #[test]
    fn a_long_line_told_in_parts_is_one_line_even_between_lines_of_the_other_stream() {
        // The word is cut in the middle of a letter.
        let (head, tail) = "ein Stück".as_bytes().split_at(7);
        let entry = |text: &[u8]| [TIME.as_bytes(), b" ", text].concat();
        let told = lines(
            false,
            &framed(&[
                (StreamKind::Stdout, &entry(head)),
                (StreamKind::Stderr, &entry(b"oops\n")),
                (StreamKind::Stdout, &entry(&[tail, b"\n"].concat())),
                (StreamKind::Stdout, &entry(b"open")),
            ]),
        );
        let texts: Vec<_> = told
            .iter()
            .map(|line| (line.stderr, line.text.as_str()))
            .collect();
        assert_eq!(
            texts,
            [(true, "oops"), (false, "ein Stück"), (false, "open")]
        );
    }

    #[test]
    fn a_terminals_log_is_raw_whatever_bytes_are_in_it() {
        let log = format!("{TIME} one\r\n{TIME} \0\x01\x02\r\n\x01\0\0\0\0\0\0\x05hello");
        let told = lines(true, &Bytes::from(log));
        let texts: Vec<_> = told.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "\0\x01\x02", "\x01\0\0\0\0\0\0\x05hello"]);
        assert_eq!(told[1].time, TIME);
    }

    #[test]
    fn a_log_without_line_ends_does_not_gather() {
        for tty in [false, true] {
            let mut assembler = Assembler::new(tty);
            let mut lines = Vec::new();
            for _ in 0..100 {
                let text = "x".repeat(16 * 1024);
                let bytes = match tty {
                    true => Bytes::from(text),
                    false => framed(&[(StreamKind::Stdout, text.as_bytes())]),
                };
                assembler.take(&bytes, &mut lines).expect("a log");
            }
            assert_eq!(lines.len(), 25, "terminal: {tty}");
        }
    }

    #[test]
    fn what_is_no_log_is_told() {
        let mut assembler = Assembler::new(false);
        let error = assembler.take(&Bytes::from_static(b"HTTP/1.1 surely"), &mut Vec::new());
        assert!(error.is_err());
        let word = framed(&[(StreamKind::System, b"the disk is gone\n")]);
        let error = Assembler::new(false).take(&word, &mut Vec::new());
        let message = error.expect_err("a word of the engine").message;
        assert!(message.contains("the disk is gone"), "{message}");
    }
}
