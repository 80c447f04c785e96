//! The byte stream to the host, as the agent is told of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::cmdline::Channel;
use super::error::InitError;
use super::uevent::wait_for;

/// The port's name; the host gives it.
const NAME: &str = "gantry.tunnel";
const LIMIT: Duration = Duration::from_secs(20);
const PORTS: &str = "/sys/class/virtio-ports";

/// The agent's argument: `serial:/dev/vportNpM`, `vsock:PORT` or `hvsock:PORT`.
pub fn argument(channel: &Channel) -> Result<String, InitError> {
    match channel {
        Channel::Vsock(port) => Ok(format!("vsock:{port}")),
        Channel::Hvsock(port) => Ok(format!("hvsock:{port}")),
        // Without udev there is no link by name.
        Channel::Serial => wait_for("the serial port of the tunnel", LIMIT, find)
            .map(|device| format!("serial:{device}")),
    }
}

fn find() -> Option<String> {
    let mut ports = fs::read_dir(PORTS).ok()?.filter_map(Result::ok);
    let port = ports.find(|port| {
        fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim_end() == NAME)
    })?;
    let device = Path::new("/dev").join(port.file_name());
    device
        .exists()
        .then(|| device.to_string_lossy().into_owned())
}
