//! The variables that a process starts with.

/// Where programs are looked for unless told otherwise.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Docker's own variables, then `layers` one over the other: a later entry replaces an earlier one of its name in its
/// place, one without `=` removes it. `HOME` is the user's where nothing sets it.
pub(crate) fn merge(hostname: &str, tty: bool, home: &str, layers: &[&[String]]) -> Vec<String> {
    let mut merged = vec![format!("PATH={PATH}")];
    if !hostname.is_empty() {
        merged.push(format!("HOSTNAME={hostname}"));
    }
    if tty {
        merged.push("TERM=xterm".to_owned());
    }
    for entry in layers.iter().copied().flatten() {
        let name = entry.split('=').next().unwrap_or(entry);
        let place = merged
            .iter()
            .position(|have| have.split('=').next() == Some(name));
        match (place, entry.contains('=')) {
            (Some(place), true) => merged[place].clone_from(entry),
            (Some(place), false) => drop(merged.remove(place)),
            (None, true) => merged.push(entry.clone()),
            (None, false) => {}
        }
    }
    if !merged.iter().any(|entry| entry.starts_with("HOME=")) {
        merged.push(format!("HOME={home}"));
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win() {
        let image = ["A=1".to_owned(), "PATH=/x".to_owned(), "B=2".to_owned()];
        let own = ["A=3".to_owned(), "B".to_owned()];
        let merged = merge("h", true, "/root", &[&image, &own]);
        assert_eq!(
            merged,
            ["PATH=/x", "HOSTNAME=h", "TERM=xterm", "A=3", "HOME=/root"]
        );
    }
}
