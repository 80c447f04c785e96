//! What a person knows that a registry wants to hear.

use std::fmt;

/// Credentials for one registry. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// User name and password, as basic auth or to get a bearer token.
    Password {
        /// User name.
        user: String,
        /// Password or access token.
        password: String,
    },
    /// A refresh ("identity") token, exchanged at the token server.
    IdentityToken(String),
    /// A bearer token that the registry takes as it is.
    RegistryToken(String),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Password { user, .. } => write!(f, "Password({user}, …)"),
            Auth::IdentityToken(_) => f.write_str("IdentityToken(…)"),
            Auth::RegistryToken(_) => f.write_str("RegistryToken(…)"),
        }
    }
}
