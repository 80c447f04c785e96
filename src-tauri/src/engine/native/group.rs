//! Whether the person's primary group is theirs alone.
//!
//! Whoever may use the engine's socket can become root. An engine started by the app is opened to the person by
//! `--group`, and only where that hands it to nobody else: a group of the person's own name, which has no other
//! member, neither listed nor by primary group.

use tokio::process::Command;

/// Why the group can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Others are in it.
    #[error("your primary group \"{group}\" is not yours alone ({others})")]
    Shared {
        /// The group's name.
        group: String,
        /// Who else is in it, or why it counts as shared.
        others: String,
    },
    /// The user database can't be read.
    #[error("cannot look up your user: {0}")]
    Lookup(String),
}

/// The name of the person's private group.
pub async fn private_group(uid: u32) -> Result<String, GroupError> {
    let passwd = getent("passwd", Some(uid)).await?;
    let gid = field(&passwd, 3)
        .parse()
        .map_err(|_| GroupError::Lookup(format!("no group in \"{passwd}\"")))?;
    let group = getent("group", Some(gid)).await?;
    judge(&passwd, &group, &getent("passwd", None).await?)
}

async fn getent(database: &str, key: Option<u32>) -> Result<String, GroupError> {
    let output = Command::new("getent")
        .arg(database)
        .args(key.map(|key| key.to_string()))
        .output()
        .await
        .map_err(|error| GroupError::Lookup(format!("getent: {error}")))?;
    if !output.status.success() {
        return Err(GroupError::Lookup(format!(
            "getent {database} {}: {}",
            key.unwrap_or_default(),
            output.status
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

/// `passwd` and `group` are the person's lines, `all` every line of the user database.
fn judge(passwd: &str, group: &str, all: &str) -> Result<String, GroupError> {
    let (user, name) = (field(passwd, 0), field(group, 0));
    let shared = |others: String| GroupError::Shared {
        group: name.to_owned(),
        others,
    };
    if user.is_empty() || user != name {
        return Err(shared("it does not bear your name".into()));
    }
    let listed = field(group, 3)
        .split(',')
        .filter(|member| !member.is_empty());
    let primary = all
        .lines()
        .filter(|line| field(line, 3) == field(passwd, 3))
        .map(|line| field(line, 0));
    let mut others: Vec<&str> = listed
        .chain(primary)
        .filter(|member| *member != user)
        .collect();
    others.sort_unstable();
    others.dedup();
    if others.is_empty() {
        Ok(name.to_owned())
    } else {
        Err(shared(format!("also in it: {}", others.join(", "))))
    }
}

fn field(line: &str, index: usize) -> &str {
    line.split(':').nth(index).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: &str = "anna:x:1000:1000:Anna:/home/anna:/bin/bash";
    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash";

    #[test]
    fn a_group_of_ones_own_is_private() {
        let all = format!("{ROOT}\n{ANNA}");
        assert_eq!(judge(ANNA, "anna:x:1000:", &all), Ok("anna".into()));
        assert_eq!(judge(ANNA, "anna:x:1000:anna", &all), Ok("anna".into()));
    }

    #[test]
    fn a_group_with_others_is_not() {
        let all = format!("{ROOT}\n{ANNA}");
        for (group, all) in [
            ("users:x:1000:", all.as_str()),
            ("anna:x:1000:ben", all.as_str()),
            (
                "anna:x:1000:",
                &format!("{all}\nben:x:1001:1000::/home/ben:/bin/sh"),
            ),
            ("", all.as_str()),
        ] {
            assert!(
                matches!(judge(ANNA, group, all), Err(GroupError::Shared { .. })),
                "{group}"
            );
        }
    }
}
