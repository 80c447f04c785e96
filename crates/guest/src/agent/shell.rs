//! A program on a terminal, for the host ([`gantry_tunnel::shell`]).

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gantry_tunnel::shell::{Frame, read, write};
use gantry_tunnel::{Answer, Refusal, RefusalKind, Request, Stream};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncWriteExt, Interest, ReadHalf};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::sys;

/// Bytes of the terminal in a frame.
const CHUNK: usize = 4096;
/// What ends the input of a program that reads lines: Ctrl-D, which in the middle of a line only ends that.
const END_OF_INPUT: &[u8] = &[4, 4];
/// How long a host may take to end its side once the program has ended, and a program to end once the host has.
const FAREWELL: Duration = Duration::from_secs(5);

/// Runs `command` until it ends, or until the host is gone.
pub async fn serve(request: Request, command: Vec<String>, rows: u16, cols: u16) -> io::Result<()> {
    let (terminal, mut ended) = match start(&command, rows, cols) {
        Ok(started) => started,
        Err(error) => {
            let why = match command.first() {
                Some(program) => format!("{program} can't be run: {error}"),
                None => format!("the shell can't be run: {error}"),
            };
            return request.refuse(Refusal::new(RefusalKind::Failed, why)).await;
        }
    };
    let stream = request.accept(Answer::Ready).await?;
    let (mut input, mut output) = tokio::io::split(stream);
    let shown = async {
        let code = loop {
            tokio::select! {
                chunk = show(&terminal) => match chunk? {
                    Some(bytes) => write(&mut output, &Frame::Data(bytes)).await?,
                    None => break exit_code((&mut ended).await),
                },
                status = &mut ended => {
                    let code = exit_code(status);
                    // What it left running has the terminal still, and is left with it.
                    for bytes in last_words(&terminal) {
                        write(&mut output, &Frame::Data(bytes)).await?;
                    }
                    break code;
                }
            }
        };
        write(&mut output, &Frame::Exit { code }).await?;
        output.shutdown().await
    };
    tokio::select! {
        ended = shown => ended?,
        // Its terminal is closed with that.
        gone = typed(&mut input, &terminal) => return gone,
    }
    // All of it has arrived once the host ends its side.
    let farewell = async { while let Ok(Some(_)) = read(&mut input).await {} };
    let _ = timeout(FAREWELL, farewell).await;
    Ok(())
}

/// Types what the host sends. Ends with an error where the host is gone.
async fn typed(input: &mut ReadHalf<Stream>, terminal: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        match read(input).await? {
            Some(Frame::Data(bytes)) => type_in(terminal, &bytes).await?,
            Some(Frame::Resize { rows, cols }) => tcsetwinsize(terminal, size(rows, cols))?,
            Some(Frame::Exit { .. }) => {}
            None => {
                type_in(terminal, END_OF_INPUT).await?;
                // From here on, only what is shown can tell that nobody looks any more.
                return std::future::pending().await;
            }
        }
    }
}

async fn type_in(terminal: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = terminal.writable().await?;
        let written = ready.try_io(|terminal| Ok(rustix::io::write(terminal.get_ref(), bytes)?));
        match written {
            Ok(Ok(length)) => bytes = &bytes[length..],
            // The program has closed its side: nobody reads, which is not the host's doing.
            Ok(Err(error)) if is_closed(&error) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// The next bytes that the program shows; none once nobody has the terminal any more.
async fn show(terminal: &AsyncFd<OwnedFd>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; CHUNK];
    loop {
        let mut ready = terminal.readable().await?;
        let read = ready.try_io(|terminal| Ok(rustix::io::read(terminal.get_ref(), &mut bytes)?));
        match read {
            Ok(Ok(0)) => return Ok(None),
            Ok(Ok(length)) => {
                bytes.truncate(length);
                return Ok(Some(bytes));
            }
            Ok(Err(error)) if is_closed(&error) => return Ok(None),
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
    }
}

/// What a program that has ended wrote last: reading has the kernel bring up what is on its way.
fn last_words(terminal: &AsyncFd<OwnedFd>) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    // More than a terminal holds; others may write on for ever.
    while words.len() < 64 {
        let mut bytes = vec![0; CHUNK];
        match rustix::io::read(terminal.get_ref(), &mut bytes) {
            Ok(length @ 1..) => {
                bytes.truncate(length);
                words.push(bytes);
            }
            _ => break,
        }
    }
    words
}

fn is_closed(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

fn start(
    command: &[String],
    rows: u16,
    cols: u16,
) -> io::Result<(AsyncFd<OwnedFd>, oneshot::Receiver<ExitStatus>)> {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&terminal)?;
    unlockpt(&terminal)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let inside = ioctl_tiocgptpeer(&terminal, flags)?;
    tcsetwinsize(&terminal, size(rows, cols))?;
    let flags = rustix::fs::fcntl_getfl(&terminal)?;
    rustix::fs::fcntl_setfl(&terminal, flags | OFlags::NONBLOCK)?;
    let mut program = match command {
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        [] => shell(),
    };
    program
        .env_clear()
        .envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("TERM", "xterm-256color"),
            ("LC_ALL", "C.UTF-8"),
        ])
        .current_dir("/")
        .stdin(Stdio::from(inside.try_clone()?))
        .stdout(Stdio::from(inside.try_clone()?))
        .stderr(Stdio::from(inside))
        .kill_on_drop(true);
    sys::on_own_terminal(&mut program);
    let child = program.spawn()?;
    let terminal = sys::watched(terminal, Interest::READABLE | Interest::WRITABLE)?;
    let (tell, ended) = oneshot::channel();
    tokio::spawn(look_after(child, tell));
    Ok((terminal, ended))
}

/// Waits for the program's end. Where nobody waits for that any more, its terminal was closed: it got
/// SIGHUP, and is killed if that is nothing to it.
async fn look_after(mut child: Child, mut tell: oneshot::Sender<ExitStatus>) {
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    tokio::select! {
        status = child.wait() => {
            if let Ok(status) = status {
                // Nobody may wait.
                let _ = tell.send(status);
            }
        }
        () = tell.closed() => {
            if timeout(FAREWELL, child.wait()).await.is_err() {
                // With what it runs in its own group; what it sent into the background stays.
                let killed = group.map(|group| sys::signal(-group, libc::SIGKILL));
                if !matches!(killed, Some(Ok(()))) {
                    let _ = child.start_kill();
                }
                let _ = child.wait().await;
            }
        }
    }
}

fn shell() -> Command {
    if Path::new("/bin/sh").exists() {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-l");
        return shell;
    }
    let mut shell = Command::new("/bin/busybox");
    shell.args(["sh", "-l"]);
    shell
}

fn size(rows: u16, cols: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn exit_code(status: Result<ExitStatus, oneshot::error::RecvError>) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => code,
        Ok((None, Some(signal))) => 128 + signal,
        // Its end could not be waited for.
        Ok((None, None)) | Err(_) => -1,
    }
}
