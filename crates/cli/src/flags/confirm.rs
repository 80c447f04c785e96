//! The question before something is removed for good.

use std::io::{BufRead, Write};

use clap::Args;

use crate::error::Result;
use crate::output;

/// `--force` of prunes.
#[derive(Debug, Args)]
pub struct ForceFlag {
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl ForceFlag {
    /// Whether to go on: asks unless the person has said so already.
    pub fn confirm(&self, warning: &str) -> Result<bool> {
        if self.force {
            return Ok(true);
        }
        output::print(&format!(
            "WARNING! {warning}\nAre you sure you want to continue? [y/N] "
        ))?;
        std::io::stdout().flush().map_err(output::closed)?;
        let mut answer = String::new();
        // No answer is no.
        let _ = std::io::stdin().lock().read_line(&mut answer);
        let yes = matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES");
        if !yes {
            output::tell("Nothing was removed.");
        }
        Ok(yes)
    }
}
