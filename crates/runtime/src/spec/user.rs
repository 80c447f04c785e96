//! Who a container's process is: names looked up in the root's own `passwd` and `group`.
//!
//! The rules are those of Docker: a number is always an id; a user's further groups count only where no group was
//! given; the first group is always among the supplementary ones.

use std::path::Path;

use super::{SpecError, root_file};

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    pub home: String,
}

/// Looks `user` (`""`, `user`, `user:group`; names or ids) and `further` groups up in the root at `root`.
pub(crate) fn resolve(root: &Path, user: &str, further: &[String]) -> Result<User, SpecError> {
    let passwd = root_file::read(root, "etc/passwd")?.unwrap_or_default();
    let group = root_file::read(root, "etc/group")?.unwrap_or_default();
    resolve_in(&passwd, &group, user, further)
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let uid = written_id(fields.nth(1)?)?;
        let gid = written_id(fields.next()?)?;
        Some(Account {
            name,
            uid,
            gid,
            home: fields.nth(1).unwrap_or(""),
        })
    })
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        let gid = written_id(fields.nth(1)?)?;
        Some(Group {
            name,
            gid,
            members: fields.next().unwrap_or(""),
        })
    })
}

/// An id in a file; none out of range: the kernel takes the largest for a wish to stay who one is.
fn written_id(text: &str) -> Option<u32> {
    text.parse::<i32>().ok()?.try_into().ok()
}

/// An id, where the text is a number at all.
fn number(text: &str) -> Result<Option<u32>, SpecError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<i32>() {
        Ok(id) if id >= 0 => Ok(Some(id.unsigned_abs())),
        _ => Err(SpecError::IdRange),
    }
}

fn resolve_in(
    passwd: &str,
    group: &str,
    user: &str,
    further: &[String],
) -> Result<User, SpecError> {
    let (user, wanted_group) = user.split_once(':').unwrap_or((user, ""));
    let id = if user.is_empty() {
        Some(0)
    } else {
        number(user)?
    };
    let account = accounts(passwd).find(|account| match id {
        Some(id) => account.uid == id,
        None => account.name == user,
    });
    let (uid, mut gid, home) = match (&account, id) {
        (Some(account), _) => (account.uid, account.gid, account.home),
        (None, Some(id)) => (id, 0, ""),
        (None, None) => return Err(SpecError::UnknownUser(user.to_owned())),
    };
    let mut supplementary = Vec::new();
    if !wanted_group.is_empty() {
        gid = group_id(group, wanted_group)?;
    } else if let Some(account) = &account {
        let is_member = |entry: &Group<'_>| {
            entry
                .members
                .split(',')
                .any(|member| member.trim() == account.name)
        };
        supplementary.extend(groups(group).filter(is_member).map(|entry| entry.gid));
    }
    for name in further {
        supplementary.push(group_id(group, name)?);
    }
    let mut all = vec![gid];
    for gid in supplementary {
        if !all.contains(&gid) {
            all.push(gid);
        }
    }
    let home = if home.is_empty() { "/" } else { home };
    Ok(User {
        uid,
        gid,
        groups: all,
        home: home.to_owned(),
    })
}

fn group_id(group: &str, wanted: &str) -> Result<u32, SpecError> {
    if let Some(id) = number(wanted)? {
        return Ok(id);
    }
    let found = groups(group).find(|entry| entry.name == wanted);
    found
        .map(|entry| entry.gid)
        .ok_or_else(|| SpecError::UnknownGroup(wanted.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1001:Ann:/home/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:ann,bob\nannies:x:1001:\n";

    fn user(text: &str) -> Result<User, SpecError> {
        resolve_in(PASSWD, GROUP, text, &[])
    }

    #[test]
    fn resolves_as_docker_does() {
        let root = User {
            uid: 0,
            gid: 0,
            groups: vec![0],
            home: "/root".into(),
        };
        assert_eq!(user("").unwrap(), root);
        let ann = User {
            uid: 1000,
            gid: 1001,
            groups: vec![1001, 50],
            home: "/home/ann".into(),
        };
        assert_eq!(user("ann").unwrap(), ann);
        assert_eq!(user("1000").unwrap(), ann);
        assert_eq!(user("ann:staff").unwrap().groups, [50]);
        assert_eq!(
            user("77").unwrap(),
            User {
                uid: 77,
                gid: 0,
                groups: vec![0],
                home: "/".into()
            }
        );
        assert_eq!(user("77:88").unwrap().gid, 88);
        assert_eq!(
            resolve_in(PASSWD, GROUP, "ann", &["7".into(), "staff".into()])
                .unwrap()
                .groups,
            [1001, 50, 7]
        );
    }

    #[test]
    fn says_what_is_unknown() {
        assert!(matches!(user("eve"), Err(SpecError::UnknownUser(name)) if name == "eve"));
        assert!(matches!(user("ann:eves"), Err(SpecError::UnknownGroup(name)) if name == "eves"));
        assert!(matches!(user("4294967295"), Err(SpecError::IdRange)));
        assert!(matches!(user("-1"), Err(SpecError::IdRange)));
        for id in ["4294967295", "2147483648", "-1"] {
            let passwd = format!("eve:x:{id}:{id}::/:\n");
            let outcome = resolve_in(&passwd, "", "eve", &[]);
            assert!(matches!(outcome, Err(SpecError::UnknownUser(_))), "{id}");
        }
    }
}
