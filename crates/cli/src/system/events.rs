//! `events`.

use clap::Args;
use serde_json::Value;

use crate::app::App;
use crate::containers::Period;
use crate::daemon::Call;
use crate::error::{CliError, Result};
use crate::flags::filter::{FilterFlag, for_query};
use crate::output::time::Clock;
use crate::output::{self, printable};
use crate::template::{Methods, Mode, Template};
use crate::terminal;

/// Get real time events from the server
#[derive(Debug, Args)]
pub struct Events {
    #[command(flatten)]
    filter: FilterFlag,
    /// Format output: 'json', or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    #[command(flatten)]
    period: Period,
}

impl Events {
    /// Runs the verb, until `--until` or Ctrl-C.
    pub async fn run(self, app: &App) -> Result<()> {
        let template = match self.format.as_deref() {
            None | Some("") => None,
            Some("json") => Some(Template::parse("{{json .}}")?),
            Some(text) => Some(Template::parse(text)?),
        };
        let (since, until) = self.period.bounds(app)?;
        let call = Call::get("/events")
            .query_some("since", since)
            .query_some("until", until)
            .query_some("filters", for_query(&self.filter.filters()));
        let work = async {
            let mut events = app.daemon()?.values(call).await?;
            let clock = app.clock();
            while let Some(event) = events.next::<Value>().await? {
                match &template {
                    Some(template) => {
                        let event = older_first(event);
                        output::line(template.render_with(&event, &OlderFields, Mode::Sparse)?)?
                    }
                    None => output::line(line(&event, &clock))?,
                }
            }
            Ok(())
        };
        tokio::select! {
            result = work => result,
            code = terminal::ended() => Err(CliError::Exit(code)),
        }
    }
}

/// The fields of an API that knew only containers and images: docker shows them first, and empty for other things.
const OLDER: [&str; 3] = ["status", "id", "from"];

struct OlderFields;

impl Methods for OlderFields {
    fn empty(&self, name: &str) -> Option<&'static str> {
        let among = OLDER.iter().any(|older| older.eq_ignore_ascii_case(name));
        among.then_some("")
    }
}

fn older_first(mut event: Value) -> Value {
    let Some(fields) = event.as_object_mut() else {
        return event;
    };
    let mut sorted = serde_json::Map::new();
    for name in OLDER {
        sorted.extend(fields.shift_remove_entry(name));
    }
    sorted.append(fields);
    Value::Object(sorted)
}

/// `2026-11-24T16:00:00.000000000Z container create 4f1c (image=alpine, name=web)`
fn line(event: &Value, clock: &Clock) -> String {
    let word = |value: &Value| printable(value.as_str().unwrap_or_default());
    let seconds = event["time"].as_i64().unwrap_or_default();
    let nanos = event["timeNano"].as_i64().unwrap_or_default();
    let time = match i32::try_from(nanos.rem_euclid(1_000_000_000)) {
        Ok(rest) if nanos != 0 => clock.nanos(nanos.div_euclid(1_000_000_000), rest),
        _ => clock.nanos(seconds, 0),
    };
    let actor = &event["Actor"];
    let mut line = format!(
        "{time} {} {} {}",
        word(&event["Type"]),
        word(&event["Action"]),
        word(&actor["ID"])
    );
    let attributes = actor["Attributes"].as_object().into_iter().flatten();
    let mut attributes: Vec<String> = attributes
        .map(|(key, value)| format!("{}={}", printable(key), word(value)))
        .collect();
    attributes.sort();
    if !attributes.is_empty() {
        line.push_str(&format!(" ({})", attributes.join(", ")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line() {
        let event = json!({
            "Type": "container", "Action": "exec_create: sh -c\u{1b}", "scope": "local",
            "Actor": {"ID": "4f1c", "Attributes": {"name": "web", "image": "alpine"}},
            "time": 1_795_536_000, "timeNano": 1_795_536_000_000_000_005i64
        });
        assert_eq!(
            line(&event, &Clock::fixed(0)),
            "2026-11-24T16:00:00.000000005Z container exec_create: sh -c\\u{1b} 4f1c (image=alpine, name=web)"
        );
    }
}
