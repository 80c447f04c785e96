//! A file from any web server, as `docker import URL` has it.

use futures::stream::try_unfold;
use reqwest::Url;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::endpoint::{Registries, is_loopback};
use super::failure::of_request;
use crate::ImageError;

impl Registries {
    /// Asks for a file; gives its bytes as they come. Silence ends after the stall limit. A URL without a scheme is
    /// plain HTTP, as with Docker.
    pub(crate) async fn download(
        &self,
        url: &str,
    ) -> Result<impl AsyncRead + Send + use<>, ImageError> {
        let stall_limit = self.stall_limit;
        let url = parse(url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let client = self.trusting_client(!is_loopback(&host)).await?;
        let failed = {
            let (url, host) = (url.to_string(), host);
            move |error| of_request(&url, &host, stall_limit, error)
        };
        let answer = client.get(url.clone()).send().await.map_err(&failed)?;
        if !answer.status().is_success() {
            return Err(ImageError::Unreachable {
                url: url.to_string(),
                detail: format!("the server answered {}", answer.status()),
            });
        }
        let pieces = try_unfold(answer, move |mut answer| {
            let failed = failed.clone();
            async move {
                let piece = answer.chunk().await;
                let piece = piece.map_err(|error| std::io::Error::other(failed(error)))?;
                Ok::<_, std::io::Error>(piece.map(|piece| (piece, answer)))
            }
        });
        Ok(StreamReader::new(Box::pin(pieces)))
    }
}

fn parse(text: &str) -> Result<Url, ImageError> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let invalid = |why: &str| ImageError::InvalidInput(format!("invalid URL {text:?}: {why}"));
    let url = Url::parse(&full).map_err(|error| invalid(&error.to_string()))?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(invalid("only http:// and https:// can be fetched"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_fetched() {
        assert_eq!(parse("host/a.tar").unwrap().as_str(), "http://host/a.tar");
        assert_eq!(parse("https://host/a").unwrap().as_str(), "https://host/a");
        for bad in ["file:///etc/shadow", "ftp://host/x", "http://", "://x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
