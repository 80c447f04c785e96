//! What is said at the beginning of a stream: a length of two bytes, big-endian, and that much JSON.
//!
//! ```text
//! opener:    length purpose
//! acceptor:  0000                  heard (at once)
//!            length reply          "ready" | {"listening":{"at":…}} | {"refused":{…}}
//! ```
//! The empty message makes yamux acknowledge the stream, of which it lets only 256
//! wait: else a few hundred slow connects would keep all others from opening.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Answer, Refusal};

/// Most bytes of JSON in a header or a reply.
pub const MAX_HEADER: usize = 4096;

/// What the acceptor says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Refused(Refusal),
    #[serde(untagged)]
    Accepted(Answer),
}

/// `message` with its length before it.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, TooLong> {
    let json = serde_json::to_vec(message).map_err(|_| TooLong { length: usize::MAX })?;
    let length = u16::try_from(json.len())
        .ok()
        .filter(|length| usize::from(*length) <= MAX_HEADER)
        .ok_or(TooLong { length: json.len() })?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(json);
    Ok(bytes)
}

/// A message of more than [`MAX_HEADER`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong {
    pub(crate) length: usize,
}

/// Says that the header was heard.
pub(crate) async fn write_heard(io: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    io.write_all(&[0, 0]).await
}

/// The bytes of the next message, without its length; `Heard` messages are passed over.
pub(crate) async fn read_bytes(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    // One is all that an acceptor sends; a peer that never comes to the point is cut short.
    for _ in 0..4 {
        let length = usize::from(io.read_u16().await?);
        if length > MAX_HEADER {
            return Err(invalid(format!(
                "a header of {length} bytes; {MAX_HEADER} is the limit"
            )));
        }
        if length > 0 {
            let mut bytes = vec![0; length];
            io.read_exact(&mut bytes).await?;
            return Ok(bytes);
        }
    }
    Err(invalid("a header without end".into()))
}

/// The message in `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| invalid(format!("not a header: {error}")))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use proptest::prelude::*;

    use super::*;
    use crate::{Claim, Protocol, Purpose, RefusalKind};

    fn json(message: &impl Serialize) -> String {
        serde_json::to_string(message).unwrap()
    }

    #[test]
    fn the_words_on_the_wire_are_these() {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        assert_eq!(json(&Purpose::Api), r#""api""#);
        assert_eq!(
            json(&Purpose::Tcp { to: at }),
            r#"{"tcp":{"to":"127.0.0.1:80"}}"#
        );
        let claim = Claim {
            protocol: Protocol::Udp,
            host: at,
            guest: at,
        };
        assert_eq!(
            json(&Purpose::Listen(claim)),
            r#"{"listen":{"protocol":"udp","host":"127.0.0.1:80","guest":"127.0.0.1:80"}}"#
        );
        assert_eq!(json(&Reply::Accepted(Answer::Ready)), r#""ready""#);
        assert_eq!(
            json(&Reply::Accepted(Answer::Listening { at })),
            r#"{"listening":{"at":"127.0.0.1:80"}}"#
        );
        let refusal = Refusal::new(RefusalKind::PortTaken, "taken");
        assert_eq!(
            json(&Reply::Refused(refusal)),
            r#"{"refused":{"kind":"port_taken","message":"taken"}}"#
        );
    }

    #[test]
    fn replies_come_back_as_they_were() {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        for reply in [
            Reply::Accepted(Answer::Ready),
            Reply::Accepted(Answer::Listening { at }),
            Reply::Refused(Refusal::new(RefusalKind::Failed, "no")),
        ] {
            assert_eq!(decode::<Reply>(json(&reply).as_bytes()).unwrap(), reply);
        }
    }

    #[test]
    fn a_reason_of_a_later_version_is_still_a_refusal() {
        let reply: Reply =
            decode(br#"{"refused":{"kind":"too_tired","message":"later"}}"#).unwrap();
        assert_eq!(
            reply,
            Reply::Refused(Refusal::new(RefusalKind::Unsupported, "later"))
        );
    }

    #[test]
    fn a_long_purpose_is_not_sent() {
        let shell = Purpose::Shell {
            command: vec!["x".repeat(MAX_HEADER)],
            rows: 1,
            cols: 1,
        };
        assert!(encode(&shell).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(read_bytes(&mut bytes.as_slice()));
            if let Ok(message) = read {
                prop_assert!(message.len() <= MAX_HEADER);
                let _ = decode::<Purpose>(&message);
                let _ = decode::<Reply>(&message);
            }
        }

        #[test]
        fn a_header_survives_any_cut(command in proptest::collection::vec("[a-z ]{0,20}", 0..8), rows: u16, cols: u16, cut: prop::sample::Index) {
            let purpose = Purpose::Shell { command, rows, cols };
            let bytes = encode(&purpose).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let whole = runtime.block_on(read_bytes(&mut bytes.as_slice())).unwrap();
            prop_assert_eq!(decode::<Purpose>(&whole).unwrap(), purpose);
            let cut = cut.index(bytes.len());
            prop_assert!(runtime.block_on(read_bytes(&mut &bytes[..cut])).is_err());
        }
    }
}
