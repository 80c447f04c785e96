//! The tutorial's web server: the pages below `/srv/tutorial`, over HTTP/1.1,
//! for one container's root that holds nothing but this program and them.
//! Only the standard library, so that it compiles to one static file.

use std::{
    env, fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::raw::c_int,
    path::{Component, Path, PathBuf},
    process::exit,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// Bytes of a request's head; more is answered with 431.
const HEAD: u64 = 16 * 1024;
/// How long a silent connection is kept.
const SILENCE: Duration = Duration::from_secs(30);

fn main() {
    end_on_signals();
    let root = PathBuf::from(
        env::args_os()
            .nth(1)
            .unwrap_or_else(|| "/srv/tutorial".into()),
    );
    let port = env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(80u16);
    // One socket for IPv6 and IPv4; without IPv6 the second line serves.
    let listener = TcpListener::bind(("::", port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        .unwrap_or_else(|cause| {
            eprintln!("can't listen on port {port}: {cause}");
            exit(1)
        });
    say(format_args!("The tutorial is served on port {port}."));

    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if busy.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
            busy.fetch_sub(1, Ordering::AcqRel);
            let _ = answer(
                &stream,
                "503 Service Unavailable",
                "text/plain",
                b"busy, try again\n",
                true,
                "",
            );
            continue;
        }
        let (root, freed) = (root.clone(), Arc::clone(&busy));
        let spawned = thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(move || {
                let _ = serve(&stream, &root);
                freed.fetch_sub(1, Ordering::AcqRel);
            });
        if spawned.is_err() {
            busy.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Answers the requests of one connection until the client ends it.
fn serve(stream: &TcpStream, root: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let peer = stream.peer_addr()?.ip().to_canonical();
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        let body = request.method != "HEAD";
        let (status, kind, bytes, more) = respond(&request, root);
        say(format_args!(
            "{peer} \"{} {}\" {}",
            request.method,
            printable(&request.path),
            &status[..3]
        ));
        answer(stream, status, kind, &bytes, body, &more)?;
        if request.close || status.starts_with('4') && status != "404 Not Found" {
            break;
        }
    }
    Ok(())
}

/// What of a request's head matters here.
struct Request {
    method: String,
    path: String,
    chinese: bool,
    close: bool,
}

impl Request {
    /// Reads a request's head (RFC 9112, section 2); `None` where the client has left.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = reader.take(HEAD);
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let mut request = Self {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
            chinese: false,
            close: words.next() != Some("HTTP/1.1"),
        };
        loop {
            line.clear();
            if head.read_line(&mut line)? == 0 {
                // The head is over the limit, or was cut: no second request can follow.
                request.close = true;
                return Ok(Some(request));
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Ok(Some(request));
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "accept-language" => request.chinese = prefers_chinese(value),
                "connection" => request.close |= value.eq_ignore_ascii_case("close"),
                // A body isn't read, so what follows it can't be told from it.
                "content-length" | "transfer-encoding" => request.close = true,
                _ => {}
            }
        }
    }
}

/// Whether Chinese comes before English in an `Accept-Language` value.
fn prefers_chinese(value: &str) -> bool {
    let first = value
        .split(',')
        .map(str::trim)
        .find(|tag| tag.starts_with("zh") || tag.starts_with("en"));
    first.is_some_and(|tag| tag.starts_with("zh"))
}

fn respond(request: &Request, root: &Path) -> (&'static str, &'static str, Vec<u8>, String) {
    let plain = "text/plain; charset=utf-8";
    if request.method != "GET" && request.method != "HEAD" {
        let more = "Allow: GET, HEAD\r\n".to_owned();
        return (
            "405 Method Not Allowed",
            plain,
            b"only GET and HEAD\n".to_vec(),
            more,
        );
    }
    let path = request.path.split(['?', '#']).next().unwrap_or_default();
    if path == "/" {
        let language = if request.chinese { "zh" } else { "en" };
        let page = read(root, &format!("{language}/index.html"));
        let more = "Vary: Accept-Language\r\n".to_owned();
        return page.map_or(
            (
                "404 Not Found",
                plain,
                b"no such page\n".to_vec(),
                String::new(),
            ),
            |bytes| ("200 OK", "text/html; charset=utf-8", bytes, more),
        );
    }
    let mut name = path.trim_start_matches('/').to_owned();
    if name.ends_with('/') {
        name.push_str("index.html");
    }
    match read(root, &name) {
        Some(bytes) => ("200 OK", kind(&name), bytes, String::new()),
        None => (
            "404 Not Found",
            plain,
            b"no such page\n".to_vec(),
            String::new(),
        ),
    }
}

/// A file below `root`; nothing that climbs out of it.
fn read(root: &Path, name: &str) -> Option<Vec<u8>> {
    let name = Path::new(name);
    if !name
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(root.join(name))
        .ok()?
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

fn answer(
    mut stream: &TcpStream,
    status: &str,
    kind: &str,
    bytes: &[u8],
    body: bool,
    more: &str,
) -> io::Result<()> {
    let mut whole = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n{more}\r\n",
        bytes.len()
    )
    .into_bytes();
    if body {
        whole.extend_from_slice(bytes);
    }
    stream.write_all(&whole)
}

/// Prints a line; a log that nobody takes any more is no reason to end.
fn say(line: fmt::Arguments) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A path as it may stand in a log line.
fn printable(path: &str) -> String {
    path.chars()
        .take(200)
        .map(|c| if c.is_control() || c == '"' { '?' } else { c })
        .collect()
}

unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn _exit(status: c_int) -> !;
}

extern "C" fn leave(_number: c_int) {
    // SAFETY: `_exit` is async-signal-safe and takes no pointer.
    unsafe { _exit(0) }
}

/// The first process of a container is sent no signal that it doesn't handle:
/// without this, `stop` would wait its whole time for nothing.
fn end_on_signals() {
    const SIGINT: c_int = 2;
    const SIGTERM: c_int = 15;
    for number in [SIGINT, SIGTERM] {
        // SAFETY: `leave` is a handler of the right type that only calls an
        // async-signal-safe function; no other thread runs yet.
        unsafe { signal(number, leave) };
    }
}
