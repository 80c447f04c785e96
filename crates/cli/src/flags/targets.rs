//! Verbs on several things: all are done, in parallel, each is reported, and one failure fails the whole.

use std::future::Future;

use futures::{StreamExt, stream};

use crate::error::{CliError, Result};
use crate::output;

/// As many at once as docker.
const AT_ONCE: usize = 50;

/// Does `action` on each of `names`, and prints each that succeeded, in order.
pub async fn each<'a, F>(names: &'a [String], action: impl Fn(&'a str) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    each_printing(names, |name| {
        let done = action(name);
        async move { done.await.map(|()| Some(name.to_owned())) }
    })
    .await
}

/// Does `action` on each of `names`, and prints what it returns, in order.
pub async fn each_printing<'a, F>(names: &'a [String], action: impl Fn(&'a str) -> F) -> Result<()>
where
    F: Future<Output = Result<Option<String>>>,
{
    let mut results = stream::iter(names)
        .map(|name| action(name))
        .buffered(AT_ONCE);
    let mut failed = false;
    while let Some(result) = results.next().await {
        match result {
            Ok(Some(text)) => output::line(text)?,
            Ok(None) => {}
            // Without the engine, or a reader, there is nothing to go on with.
            Err(error @ (CliError::Connect { .. } | CliError::OutputClosed)) => return Err(error),
            Err(error) => {
                output::tell(&error);
                failed = true;
            }
        }
    }
    if failed {
        Err(CliError::Reported)
    } else {
        Ok(())
    }
}
