//! Accounts at registries.

mod login;
mod logout;

pub use login::Login;
pub use logout::Logout;
