//! The result: rows of medians, and whether each reaches its goal.

use std::fmt;

/// What a row is to reach.
pub enum Goal {
    /// At most this share of docker's.
    OfDocker {
        /// As it is said: "1/8".
        said: &'static str,
        /// As a number.
        share: f64,
    },
    /// At most so much, in the row's unit.
    AtMost(f64),
    /// Only told.
    None,
}

/// One thing that was measured.
pub struct Row {
    /// What it is.
    pub what: String,
    /// What it is to reach.
    pub goal: Goal,
    /// Ours.
    pub gantry: f64,
    /// Debian's docker.io's.
    pub docker: f64,
    /// Debian's podman's, where it has such a thing.
    pub podman: Option<f64>,
    /// Of all three.
    pub unit: &'static str,
}

impl Row {
    fn is_reached(&self) -> Option<bool> {
        match self.goal {
            Goal::OfDocker { share, .. } => Some(self.gantry <= self.docker * share),
            Goal::AtMost(most) => Some(self.gantry <= most),
            Goal::None => None,
        }
    }

    fn goal(&self) -> String {
        match self.goal {
            Goal::OfDocker { said, .. } => format!("at most {said} of docker's"),
            Goal::AtMost(most) => format!("at most {most} {}", self.unit),
            Goal::None => "–".to_owned(),
        }
    }
}

/// The rows of the result.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a row, and says it at once.
    pub fn add(&mut self, row: Row) {
        eprintln!(
            "{}: gantry {:.1} {unit}, docker {:.1} {unit}",
            row.what,
            row.gantry,
            row.docker,
            unit = row.unit
        );
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| what | gantry | docker | podman | gantry : docker | goal | reached |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|---|---|")?;
        for row in &self.0 {
            let cell = |value: f64| format!("{value:.1} {}", row.unit);
            writeln!(
                out,
                "| {} | {} | {} | {} | 1 : {:.1} | {} | {} |",
                row.what,
                cell(row.gantry),
                cell(row.docker),
                row.podman.map_or("–".to_owned(), cell),
                row.docker / row.gantry,
                row.goal(),
                match row.is_reached() {
                    Some(true) => "yes",
                    Some(false) => "**no**",
                    None => "–",
                },
            )?;
        }
        Ok(())
    }
}
