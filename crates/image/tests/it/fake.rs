//! A small HTTP server that says whatever the test wants, lies and silence included.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::tars::{MANIFEST, TestImage};

#[derive(Clone)]
pub struct Request {
    pub path: String,
    pub headers: HashMap<String, String>,
}

/// What is sent back.
#[derive(Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Promised instead of the body's length.
    pub length: Option<u64>,
    /// Say nothing more after the body, and keep the connection.
    pub stall: bool,
    /// Send zeros after the body for ever, without a length.
    pub endless: bool,
    /// End the connection without a word.
    pub hang_up: bool,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status: 200,
            body: body.into(),
            ..Answer::default()
        }
    }

    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            body: body.into(),
            ..Answer::default()
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

pub struct Fake {
    pub host: String,
    requests: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    pub async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let host = listener.local_addr().expect("address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&requests), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                // The client may leave at any time.
                tokio::spawn(async move { drop(serve(stream, &log, &*answer).await) });
            }
        });
        Fake {
            host,
            requests,
            task,
        }
    }

    /// Serves one image at `/v2/x/…`, but what `change` answers otherwise.
    pub async fn image(
        image: TestImage,
        change: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
    ) -> Fake {
        Fake::start(move |request| {
            change(request).unwrap_or_else(|| serve_image(&image, &request.path))
        })
        .await
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("requests").clone()
    }

    pub fn name(&self) -> String {
        format!("{}/x:latest", self.host)
    }
}

pub fn serve_image(image: &TestImage, path: &str) -> Answer {
    if path == "/v2/" {
        return Answer::ok("{}");
    }
    let wanted = path.rsplit('/').next().unwrap_or_default();
    if path.contains("/manifests/") {
        return Answer::ok(image.manifest.clone()).header("Content-Type", MANIFEST);
    }
    let blob = image
        .layers
        .iter()
        .chain([&image.config])
        .find(|blob| gantry_image::Digest::of(blob).to_string() == wanted);
    match blob {
        Some(blob) => Answer::ok(blob.clone()),
        None => Answer::status(404, "no"),
    }
}

async fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            line.clear();
            if read.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) => {
                    drop(headers.insert(name.to_ascii_lowercase(), value.to_owned()))
                }
                None => break,
            }
        }
        if let Some(length) = headers
            .get("content-length")
            .and_then(|length| length.parse().ok())
        {
            read.read_exact(&mut vec![0; length]).await?;
        }
        let request = Request { path, headers };
        let Answer {
            status,
            headers,
            body,
            length,
            stall,
            endless,
            hang_up,
        } = answer(&request);
        log.lock().expect("requests").push(request);
        if hang_up {
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {status} X\r\n");
        if !endless {
            head += &format!(
                "Content-Length: {}\r\n",
                length.unwrap_or(body.len() as u64)
            );
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        write.write_all(format!("{head}\r\n").as_bytes()).await?;
        write.write_all(&body).await?;
        if endless {
            loop {
                write.write_all(&[b' '; 4096]).await?;
            }
        }
        if stall {
            // Until the client has enough.
            let mut rest = Vec::new();
            read.read_to_end(&mut rest).await?;
        }
        if stall || length.is_some_and(|length| length > body.len() as u64) {
            return Ok(());
        }
    }
}
