//! Tables of networks that are no more: an engine that was killed for good leaves its rules, and what it redirected
//! would be lost for whoever has the port now.

use std::io;

use super::netfilter::{ACK, DUMP, FAMILY_IPV4, NFTABLES, Netfilter, Writer, nft_batch};
use crate::NetworkError;

const GET_TABLE: u16 = (NFTABLES << 8) | 1;
const DELETE_TABLE: u16 = (NFTABLES << 8) | 2;
/// NFTA_TABLE_NAME
const NAME: u16 = 1;
const PREFIX: &str = "gantry-";

/// Bridges for which there are tables. Blocking.
pub(crate) fn bridges(netfilter: &Netfilter) -> Result<Vec<String>, NetworkError> {
    let mut request = Writer::default();
    request.message(GET_TABLE, DUMP, FAMILY_IPV4, 0, |_| {});
    let mut bridges = Vec::new();
    let listed = netfilter.talk(|socket| {
        socket.dump(&request, |table| {
            let name = table
                .get(NAME)
                .and_then(|name| std::str::from_utf8(name).ok());
            let bridge = name.and_then(|name| name.trim_end_matches('\0').strip_prefix(PREFIX));
            bridges.extend(bridge.map(str::to_owned));
        })
    });
    listed.map_err(|error| failed("list tables", &error))?;
    Ok(bridges)
}

/// Removes a bridge's table; one that is gone is no error. Blocking.
pub(crate) fn remove(netfilter: &Netfilter, bridge: &str) -> Result<(), NetworkError> {
    let batch = nft_batch(|batch| {
        batch.message(DELETE_TABLE, ACK, FAMILY_IPV4, 0, |w| {
            w.attribute(NAME, format!("{PREFIX}{bridge}\0").as_bytes());
        });
    });
    match netfilter.talk(|socket| socket.execute(&batch)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|error| failed("remove a table", &error)),
    }
}

fn failed(what: &str, error: &io::Error) -> NetworkError {
    NetworkError::Rules {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}
