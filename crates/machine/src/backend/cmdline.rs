//! The words that the guest's init finds on the kernel's command line.

use std::path::PathBuf;

use super::BackendError;
use crate::name::MachineName;

/// x86's kernels take 2048 bytes, their own additions included.
const MAX_LENGTH: usize = 1900;

/// Which way the guest's agent is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestChannel {
    /// The virtio-serial port `gantry.tunnel`.
    Serial,
    /// It listens at this port of vsock.
    Vsock(u32),
    /// It listens at this port of Hyper-V's sockets.
    Hvsock(u32),
}

/// The tag of share number `index`.
pub fn share_tag(index: usize) -> String {
    format!("fs{index}")
}

/// The kernel's command line: `console` is the kernel's console, as `ttyS0`.
pub fn kernel(
    name: &MachineName,
    console: &str,
    channel: GuestChannel,
    shares: &[PathBuf],
) -> Result<String, BackendError> {
    let channel = match channel {
        GuestChannel::Serial => "serial".to_owned(),
        GuestChannel::Vsock(port) => format!("vsock:{port}"),
        GuestChannel::Hvsock(port) => format!("hvsock:{port}"),
    };
    // A guest that panics is of no use: it goes down, and the host process starts it anew.
    let mut line = format!(
        "console={console} quiet panic=-1 gantry.hostname=gantry-{name} gantry.channel={channel}"
    );
    for (index, share) in shares.iter().enumerate() {
        let path = share.to_str().ok_or_else(|| {
            BackendError::Unfit(format!("the path {} is not UTF-8", share.display()))
        })?;
        line += &format!(" gantry.share={}:{}", share_tag(index), encoded(path));
    }
    if line.len() > MAX_LENGTH {
        return Err(BackendError::Unfit(
            "the shared folders' paths are too long together: share fewer, or a folder that holds them all".to_owned(),
        ));
    }
    Ok(line)
}

/// `path` with everything but plain characters and slashes as `%XX`.
fn encoded(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_words_of_their_own_whatever_their_names() {
        let shares = ["/home/me", "/data/a b,c=\"d\" ä"].map(PathBuf::from);
        insta::assert_snapshot!(
            kernel(
                &MachineName::default(),
                "ttyS0",
                GuestChannel::Serial,
                &shares
            )
            .unwrap()
        );
        insta::assert_snapshot!(
            kernel(
                &MachineName::default(),
                "hvc0",
                GuestChannel::Vsock(1024),
                &[]
            )
            .unwrap()
        );
    }

    #[test]
    fn a_line_longer_than_the_kernel_takes_is_refused() {
        let shares = vec![PathBuf::from(format!("/{}", "x".repeat(500))); 4];
        assert!(matches!(
            kernel(
                &MachineName::default(),
                "ttyS0",
                GuestChannel::Serial,
                &shares
            ),
            Err(BackendError::Unfit(_))
        ));
    }
}
