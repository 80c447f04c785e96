//! The name a container's network things are kept under.

use std::fmt;
use std::str::FromStr;

use crate::NetworkError;

/// Names one container's namespace, interface and proxy: the container's id.
///
/// It becomes a file name, so it holds only letters, digits, `_`, `.` and `-`, begins with a letter or digit, and is
/// at most 64 bytes long.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(String);

impl EndpointId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the veth pair's end on the host. Deterministic, so that it is found again after a crash; the bridge's
    /// name goes into it too, so engines side by side don't meet.
    pub(crate) fn host_interface(&self, bridge: &str) -> String {
        // FNV-1a, 64 bits: stable over releases, which std's hasher does not promise.
        let bytes = bridge.bytes().chain([0]).chain(self.0.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("veth{:011x}", hash >> 20)
    }
}

impl FromStr for EndpointId {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let starts_well = text
            .as_bytes()
            .first()
            .is_some_and(u8::is_ascii_alphanumeric);
        if starts_well && text.len() <= 64 && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NetworkError::InvalidId(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_would_leave_the_folder_are_refused() {
        for bad in ["", ".", "..", "a/b", "-x", "a b", "a\0", &"a".repeat(65)] {
            assert!(bad.parse::<EndpointId>().is_err(), "{bad:?} was taken");
        }
        assert!("3f".repeat(32).parse::<EndpointId>().is_ok());
    }

    #[test]
    fn interface_names_fit_the_kernel_and_differ_by_bridge() {
        let id: EndpointId = "3f".repeat(32).parse().unwrap();
        let name = id.host_interface("gantry0");
        assert_eq!(name.len(), 15);
        assert_ne!(name, id.host_interface("gantry1"));
        assert_eq!(name, id.host_interface("gantry0"));
    }
}
