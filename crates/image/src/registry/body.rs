//! Bodies that are read whole, and how much of them.

use std::time::Duration;

use reqwest::Response;

use super::failure::of_request;
use crate::ImageError;

/// A small answer takes this many stall limits at most, however it is dripped.
const PATIENCE: u32 = 4;

/// Reads a body up to `limit` bytes; more is an error.
pub(super) async fn read(
    mut answer: Response,
    what: &'static str,
    limit: u64,
    host: &str,
    stall_limit: Duration,
) -> Result<Vec<u8>, ImageError> {
    if answer.content_length().is_some_and(|length| length > limit) {
        return Err(ImageError::TooLarge { what, limit });
    }
    let url = answer.url().to_string();
    let reading = async {
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| of_request(&url, host, stall_limit, error))?
        {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(ImageError::TooLarge { what, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    tokio::time::timeout(stall_limit * PATIENCE, reading)
        .await
        .map_err(|_| ImageError::Stalled {
            registry: host.to_owned(),
            limit: stall_limit * PATIENCE,
        })?
}
