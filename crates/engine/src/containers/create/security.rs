//! `--security-opt`.

use gantry_runtime::spec::Seccomp;

use crate::error::{Error, Result};

/// What the options say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SecurityOptions {
    /// System call filter.
    pub seccomp: Seccomp,
    /// Set-user-id programs give nothing.
    pub no_new_privileges: bool,
    /// Nothing of `/proc` and `/sys` is masked.
    pub system_paths_unconfined: bool,
}

/// Longest seccomp profile, in bytes.
const LONGEST_PROFILE: usize = 1 << 20;

/// Reads the options; one that we can't honour is an error.
pub fn parse(options: &[String]) -> Result<SecurityOptions> {
    let mut parsed = SecurityOptions::default();
    for option in options {
        // `:` is the old spelling of `=`.
        let (key, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
            Some((key, value)) => (key, Some(value)),
            None => (option.as_str(), None),
        };
        match (key, value) {
            ("no-new-privileges", None | Some("true")) => parsed.no_new_privileges = true,
            ("no-new-privileges", Some("false")) => parsed.no_new_privileges = false,
            ("seccomp", Some("unconfined")) => parsed.seccomp = Seccomp::Unconfined,
            ("seccomp", Some("builtin")) => parsed.seccomp = Seccomp::Default,
            ("seccomp", Some(profile)) if profile.len() > LONGEST_PROFILE => {
                return Err(Error::invalid("the seccomp profile is longer than 1 MiB"));
            }
            ("seccomp", Some(profile)) if profile.trim_start().starts_with('{') => {
                parsed.seccomp = Seccomp::Profile(profile.to_owned());
            }
            ("systempaths", Some("unconfined")) => parsed.system_paths_unconfined = true,
            // Without these modules in use, their absence is what is asked for.
            ("apparmor", Some("unconfined" | "")) | ("label", Some("disable")) => {}
            ("apparmor", Some(_)) => {
                return Err(Error::unsupported(
                    "AppArmor profiles are not supported: only apparmor=unconfined",
                ));
            }
            ("label", Some(_)) => {
                return Err(Error::unsupported(
                    "SELinux labels are not supported: only label=disable",
                ));
            }
            _ => {
                return Err(Error::invalid(format!(
                    "invalid --security-opt: \"{}\"",
                    option.chars().take(200).collect::<String>().escape_debug()
                )));
            }
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_honoured_and_the_rest_refused() {
        let parse = |text: &str| parse(&[text.to_owned()]);
        assert!(parse("no-new-privileges").unwrap().no_new_privileges);
        assert!(parse("no-new-privileges:true").unwrap().no_new_privileges);
        assert_eq!(
            parse("seccomp=unconfined").unwrap().seccomp,
            Seccomp::Unconfined
        );
        assert_eq!(
            parse("seccomp={}").unwrap().seccomp,
            Seccomp::Profile("{}".to_owned())
        );
        assert!(
            parse("systempaths=unconfined")
                .unwrap()
                .system_paths_unconfined
        );
        for text in [
            "",
            "seccomp=file.json",
            "apparmor=x",
            "label=type:x",
            "what=ever",
            "no-new-privileges=maybe",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
