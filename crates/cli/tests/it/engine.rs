//! An engine made of prepared answers.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// One call as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// As `GET /v1.47/info`.
    pub line: String,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

/// Listens until the test is over.
pub struct Engine {
    folder: tempfile::TempDir,
    calls: Arc<Mutex<Vec<Call>>>,
}

type Answers = dyn Fn(&Call) -> Vec<u8> + Send + Sync;

impl Engine {
    /// An engine that answers each call with the bytes that `answers` makes for it; the connection stays open where
    /// they have a length.
    pub fn new(answers: impl Fn(&Call) -> Vec<u8> + Send + Sync + 'static) -> Engine {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let answers: Arc<Answers> = Arc::new(answers);
        let seen = calls.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answers) = (seen.clone(), answers.clone());
                std::thread::spawn(move || serve(stream, &seen, &*answers));
            }
        });
        Engine { folder, calls }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("s").display())
    }

    /// A home for the program.
    pub fn home(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// What was called, without headers and bodies.
    pub fn lines(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.line).collect()
    }
}

fn serve(stream: UnixStream, seen: &Mutex<Vec<Call>>, answers: &Answers) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(call) = read(&mut reader) {
        seen.lock().unwrap().push(call.clone());
        let answer = answers(&call);
        if writer.write_all(&answer).is_err() || !(has_length(&answer) || is_held(&answer)) {
            return;
        }
    }
}

const HOLD: &str = "x-hold: 1";

fn is_held(answer: &[u8]) -> bool {
    String::from_utf8_lossy(answer).contains(HOLD)
}

/// As [`upgraded`], of a process that writes nothing and doesn't end.
pub fn held() -> Vec<u8> {
    format!("HTTP/1.1 101 UPGRADED\r\nconnection: Upgrade\r\nupgrade: tcp\r\n{HOLD}\r\n\r\n")
        .into_bytes()
}

fn has_length(answer: &[u8]) -> bool {
    String::from_utf8_lossy(answer).contains("content-length:")
}

fn read(reader: &mut impl BufRead) -> Option<Call> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let line = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let header = |name: &str| {
        lines.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut body).ok()?;
    } else if header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Some(Call {
        line,
        headers: lines,
        body,
    })
}

/// An answer with a body and its length.
pub fn answer(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// An answer that takes the connection over, with what the process writes.
pub fn upgraded(stdout: &[u8]) -> Vec<u8> {
    let mut out = b"HTTP/1.1 101 UPGRADED\r\nconnection: Upgrade\r\nupgrade: tcp\r\n\r\n".to_vec();
    let length = u32::try_from(stdout.len()).unwrap().to_be_bytes();
    out.extend_from_slice(&[1, 0, 0, 0]);
    out.extend_from_slice(&length);
    out.extend_from_slice(stdout);
    out
}
