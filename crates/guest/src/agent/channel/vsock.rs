//! vsock: the host connects to a port of the guest's.

use std::io;

use tokio_vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener, VsockStream};

/// A port of vsock.
pub struct Vsock(VsockListener);

impl Vsock {
    pub fn listen(port: u32) -> io::Result<Self> {
        VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port)).map(Self)
    }

    /// The next connection of the host's. vsock knows no network namespaces: a container
    /// could connect as well, by way of the loopback, and must not be taken for the host.
    pub async fn accept(&mut self) -> io::Result<VsockStream> {
        loop {
            let (stream, from) = self.0.accept().await?;
            if from.cid() == VMADDR_CID_HOST {
                return Ok(stream);
            }
        }
    }
}
