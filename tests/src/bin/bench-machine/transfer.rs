//! How fast bytes come from a container to the host: through the tunnel, and through QEMU's own port forwarding.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use anyhow::{Result, ensure};
use gantry_tests::{Machine, free_port};

use crate::{Figures, median};

const SIZE_MIB: usize = 256;
const ROUNDS: usize = 5;

pub fn measure(figures: &mut Figures, machine: &Machine) -> Result<()> {
    let serve = format!(
        "mkdir /www; dd if=/dev/zero of=/www/f bs=1M count={SIZE_MIB} 2>/dev/null; exec httpd -f -p 9999 -h /www"
    );
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:9999");
    machine
        .docker(&[
            "run", "-d", "--name", "tunnel", "-p", &publish, "busybox", "sh", "-c", &serve,
        ])
        .ok();
    // QEMU's forwarding goes to the guest's own network.
    machine
        .docker(&[
            "run",
            "-d",
            "--name",
            "direct",
            "--network",
            "host",
            "busybox",
            "sh",
            "-c",
            &serve,
        ])
        .ok();
    let forwarded = free_port();
    monitor(
        machine,
        &format!("hostfwd_add net tcp:127.0.0.1:{forwarded}-:9999"),
    )?;
    for port in [port, forwarded] {
        gantry_tests::until("the file should be served", || download(port));
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(download(port)?);
        theirs.push(download(forwarded)?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    figures.add(
        "from a container's published port, by the tunnel",
        format!("{ours:.0} MB/s"),
    );
    figures.add(
        "from the same server by QEMU's `hostfwd`",
        format!("{theirs:.0} MB/s"),
    );
    figures.add("ratio (tunnel : hostfwd)", format!("{:.2}", ours / theirs));
    Ok(())
}

/// Takes the file, and says at how many megabytes a second.
fn download(port: u16) -> Result<f64> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(gantry_tests::PATIENCE))?;
    stream.write_all(b"GET /f HTTP/1.0\r\n\r\n")?;
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => total += count,
        }
    }
    ensure!(total >= SIZE_MIB << 20, "only {total} bytes came");
    Ok(total as f64 / 1e6 / began.elapsed().as_secs_f64())
}

/// A command for QEMU's human monitor, which has one client at a time: the machine's holder makes room.
fn monitor(machine: &Machine, line: &str) -> Result<()> {
    machine.kill(machine.holder());
    tell(machine, line)?;
    machine.start_again();
    Ok(())
}

fn tell(machine: &Machine, line: &str) -> Result<()> {
    let stream = UnixStream::connect(machine.monitor())?;
    stream.set_read_timeout(Some(gantry_tests::PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut said = String::new();
    reader.read_line(&mut said)?;
    let command = serde_json::json!({"execute": "human-monitor-command", "arguments": {"command-line": line}});
    for call in [serde_json::json!({"execute": "qmp_capabilities"}), command] {
        writeln!(writer, "{call}")?;
        loop {
            said.clear();
            ensure!(reader.read_line(&mut said)? > 0, "QEMU's monitor is gone");
            let answer: serde_json::Value = serde_json::from_str(&said)?;
            if let Some(result) = answer.get("return") {
                let said = result.as_str().unwrap_or_default();
                ensure!(said.is_empty(), "QEMU: {said}");
                break;
            }
            ensure!(answer.get("error").is_none(), "QEMU: {answer}");
        }
    }
    Ok(())
}
