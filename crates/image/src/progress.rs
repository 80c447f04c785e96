//! What a long job tells its caller, in Docker's words.

/// One line of progress, as Docker's JSON messages have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The layer's short digest, or the tag for the first line; none for lines about the whole.
    pub id: Option<String>,
    /// `Downloading`, `Pull complete`, `Digest: sha256:…`, …
    pub status: String,
    /// Bytes done, where the status has a bar.
    pub current: Option<u64>,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

impl Progress {
    /// A line about the whole job.
    pub fn line(status: impl Into<String>) -> Progress {
        Progress {
            status: status.into(),
            ..Progress::default()
        }
    }

    /// A line about one part.
    pub fn of(id: impl Into<String>, status: impl Into<String>) -> Progress {
        Progress {
            id: Some(id.into()),
            status: status.into(),
            ..Progress::default()
        }
    }

    /// A line about one part that has a bar.
    pub fn bar(
        id: impl Into<String>,
        status: impl Into<String>,
        current: u64,
        total: u64,
    ) -> Progress {
        Progress {
            current: Some(current),
            total: (total > 0).then_some(total),
            ..Progress::of(id, status)
        }
    }
}
