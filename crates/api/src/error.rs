//! The body of every answer that is an error.

use serde::{Deserialize, Serialize};

/// `{"message": "…"}`: what Docker's clients print after "Error response from daemon: ".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The sentence for a person.
    pub message: String,
}

impl ErrorBody {
    /// The body that says `message`.
    pub fn new(message: impl Into<String>) -> ErrorBody {
        ErrorBody {
            message: message.into(),
        }
    }
}
