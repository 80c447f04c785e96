//! A host's end by hand: asks a guest's agent and engine how they are, again after each end of a session.
//! `GANTRY_VM_TUNNEL=/tmp/t.sock vm-image/boot` and `cargo run -p gantry-tunnel --example probe /tmp/t.sock [TIMES]`.

#[cfg(not(unix))]
fn main() {
    eprintln!("needs unix sockets");
}

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let socket = arguments.next().ok_or(std::io::ErrorKind::InvalidInput)?;
    let times = arguments
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(1);
    for _ in 0..times {
        unix::probe(&socket).await?;
    }
    Ok(())
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::time::Instant;

    use gantry_tunnel::agent::{Agent, AgentCall};
    use gantry_tunnel::{Purpose, connect, shell};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    pub(crate) async fn probe(socket: &str) -> io::Result<()> {
        let start = Instant::now();
        let channel = UnixStream::connect(socket).await?;
        let (tunnel, _requests) = connect(channel).await.map_err(io::Error::other)?;
        println!("session after {:?}", start.elapsed());

        let mut agent = Agent::open(&tunnel).await.map_err(io::Error::other)?;
        for call in [
            AgentCall::Figures,
            AgentCall::Trim,
            AgentCall::Grow,
            AgentCall::Reclaim,
        ] {
            let start = Instant::now();
            let reply = agent.call(&call).await;
            println!("{call:?} in {:?}: {reply:?}", start.elapsed());
        }

        match tunnel.open(&Purpose::Api).await {
            Ok(mut api) => {
                let start = Instant::now();
                api.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    .await?;
                let mut answer = String::new();
                api.read_to_string(&mut answer).await?;
                let status = answer.lines().next().unwrap_or_default();
                println!("engine in {:?}: {status}", start.elapsed());
            }
            Err(error) => println!("engine: {error}"),
        }

        let command = ["cat", "/proc/loadavg"].map(str::to_owned).to_vec();
        match tunnel
            .open(&Purpose::Shell {
                command,
                rows: 24,
                cols: 80,
            })
            .await
        {
            Ok(mut stream) => {
                while let Some(frame) = shell::read(&mut stream).await? {
                    match frame {
                        shell::Frame::Data(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
                        other => println!("{other:?}"),
                    }
                }
            }
            Err(error) => println!("shell: {error}"),
        }
        Ok(())
    }
}
