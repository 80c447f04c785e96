//! `Config`: checked, and merged with the image's.

use std::collections::HashMap;

use gantry_api::models::{ContainerConfig, ContainerCreateBody, HealthConfig};
use gantry_image::Image;
use serde::Deserialize;

use super::super::{network, signal};
use crate::error::{Error, Result};

/// The config part of a create body.
pub fn from_body(body: ContainerCreateBody) -> ContainerConfig {
    ContainerConfig {
        hostname: body.hostname,
        domainname: body.domainname,
        user: body.user,
        attach_stdin: body.attach_stdin,
        attach_stdout: body.attach_stdout,
        attach_stderr: body.attach_stderr,
        exposed_ports: body.exposed_ports,
        tty: body.tty,
        open_stdin: body.open_stdin,
        stdin_once: body.stdin_once,
        env: body.env,
        cmd: body.cmd,
        healthcheck: body.healthcheck,
        args_escaped: body.args_escaped,
        image: body.image,
        volumes: body.volumes,
        working_dir: body.working_dir,
        entrypoint: body.entrypoint,
        network_disabled: body.network_disabled,
        on_build: body.on_build,
        labels: body.labels,
        stop_signal: body.stop_signal,
        stop_timeout: body.stop_timeout,
        shell: body.shell,
    }
}

/// The fields of an image's config that the OCI type lacks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extra {
    config: ExtraConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ExtraConfig {
    healthcheck: Option<HealthConfig>,
    shell: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
}

/// Fills in from the image what wasn't asked for, in Docker's way.
pub fn merge_image(config: &mut ContainerConfig, image: &Image) -> Result<()> {
    // An image's odd health check must not make the image useless.
    let extra: Extra = serde_json::from_slice(&image.config_json).unwrap_or_default();
    merge_health(config, extra.config.healthcheck);
    config.shell = config.shell.take().or(extra.config.shell);
    config.on_build = extra.config.on_build;
    let Some(base) = image.config.config() else {
        return Ok(());
    };
    let is_empty = |list: &Option<Vec<String>>| list.as_ref().is_none_or(Vec::is_empty);
    if is_empty(&config.entrypoint) {
        if is_empty(&config.cmd) {
            config.cmd = base.cmd().clone();
        }
        if config.entrypoint.is_none() {
            config.entrypoint = base.entrypoint().clone();
        }
    }
    fill(&mut config.user, base.user());
    fill(&mut config.working_dir, base.working_dir());
    fill(&mut config.stop_signal, base.stop_signal());
    let mut env = config.env.take().unwrap_or_default();
    for variable in base.env().iter().flatten() {
        let key = variable.split('=').next().unwrap_or_default();
        if !env.iter().any(|have| have.split('=').next() == Some(key)) {
            env.push(variable.clone());
        }
    }
    config.env = Some(env);
    let mut labels: HashMap<String, String> = base
        .labels()
        .clone()
        .unwrap_or_default()
        .into_iter()
        .collect();
    labels.extend(config.labels.take().unwrap_or_default());
    config.labels = Some(labels);
    union(&mut config.exposed_ports, base.exposed_ports());
    union(&mut config.volumes, base.volumes());
    Ok(())
}

fn fill(field: &mut Option<String>, from: &Option<String>) {
    if field.as_deref().unwrap_or_default().is_empty() {
        field.clone_from(from);
    }
}

fn union(list: &mut Option<Vec<String>>, from: &Option<Vec<String>>) {
    for item in from.iter().flatten() {
        let list = list.get_or_insert_default();
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}

fn merge_health(config: &mut ContainerConfig, image: Option<HealthConfig>) {
    let Some(image) = image else { return };
    match &mut config.healthcheck {
        None => config.healthcheck = Some(image),
        Some(own) => {
            if own.test.as_ref().is_none_or(Vec::is_empty) {
                own.test = image.test;
            }
            for (own, image) in [
                (&mut own.interval, image.interval),
                (&mut own.timeout, image.timeout),
                (&mut own.retries, image.retries),
                (&mut own.start_period, image.start_period),
                (&mut own.start_interval, image.start_interval),
            ] {
                if own.unwrap_or(0) == 0 {
                    *own = image;
                }
            }
        }
    }
}

/// Checks every field of the merged config.
pub fn check(config: &ContainerConfig) -> Result<()> {
    let no_nul = |what: &str, text: &str| {
        if text.contains('\0') {
            Err(Error::invalid(format!(
                "{what} must not contain a NUL byte"
            )))
        } else {
            Ok(())
        }
    };
    for variable in config.env.iter().flatten() {
        if variable.is_empty() || variable.starts_with('=') {
            return Err(Error::invalid(format!(
                "invalid environment variable: {}",
                variable.escape_debug()
            )));
        }
        no_nul("an environment variable", variable)?;
    }
    for word in config.cmd.iter().chain(&config.entrypoint).flatten() {
        no_nul("the command", word)?;
    }
    let working_dir = config.working_dir.as_deref().unwrap_or_default();
    no_nul("the working directory", working_dir)?;
    if !working_dir.is_empty() && !working_dir.starts_with('/') {
        return Err(Error::invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            working_dir.escape_debug()
        )));
    }
    let hostname = config.hostname.as_deref().unwrap_or_default();
    if hostname.len() > 63 || !is_host_name(hostname) {
        return Err(Error::invalid(format!(
            "invalid hostname: {}",
            hostname
                .chars()
                .take(100)
                .collect::<String>()
                .escape_debug()
        )));
    }
    let domainname = config.domainname.as_deref().unwrap_or_default();
    if domainname.len() > 64 || !is_host_name(domainname) {
        return Err(Error::invalid(format!(
            "invalid domainname: {}",
            domainname
                .chars()
                .take(100)
                .collect::<String>()
                .escape_debug()
        )));
    }
    if let Some(text) = config
        .stop_signal
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        signal::parse(text)?;
    }
    if config.stop_timeout.is_some_and(|seconds| seconds < -1) {
        return Err(Error::invalid(
            "the stop timeout can't be less than -1 (wait forever)",
        ));
    }
    for port in config.exposed_ports.iter().flatten() {
        match network::parse_port(port) {
            // Exposing says something about the image; only publishing needs us to do anything.
            Ok(_) | Err(Error::Unsupported(_)) => {}
            Err(error) => return Err(error),
        }
    }
    for volume in config.volumes.iter().flatten() {
        if !volume.starts_with('/') || volume.trim_end_matches('/').is_empty() {
            return Err(Error::invalid(format!(
                "invalid volume specification: '{}'",
                volume.escape_debug()
            )));
        }
    }
    if let Some(health) = &config.healthcheck {
        check_health(health)?;
    }
    Ok(())
}

/// Letters, digits, `-`, `_` and `.`: what can't break a line of `/etc/hosts`.
fn is_host_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.starts_with(['-', '.'])
}

/// Shortest interval and timeout, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

fn check_health(health: &HealthConfig) -> Result<()> {
    for (what, value) in [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ] {
        if value.is_some_and(|value| value != 0 && value < SHORTEST) {
            return Err(Error::invalid(format!(
                "{what} in Healthcheck cannot be less than 1ms"
            )));
        }
    }
    if health.retries.is_some_and(|retries| retries < 0) {
        return Err(Error::invalid("Retries in Healthcheck cannot be negative"));
    }
    match health.test.as_deref().unwrap_or_default() {
        [] => Ok(()),
        [kind] if kind == "NONE" => Ok(()),
        [kind, rest @ ..] if (kind == "CMD" || kind == "CMD-SHELL") && !rest.is_empty() => Ok(()),
        [kind, ..] => Err(Error::invalid(format!(
            "invalid Healthcheck: Test must be NONE, or CMD or CMD-SHELL and a command, not {}",
            kind.escape_debug()
        ))),
    }
}

/// Program and arguments.
pub fn command(config: &ContainerConfig) -> Result<(String, Vec<String>)> {
    // An entrypoint of one empty string is how clients take an image's entrypoint away.
    let entrypoint = config
        .entrypoint
        .as_deref()
        .filter(|words| !matches!(words, [only] if only.is_empty()));
    let mut words = entrypoint
        .unwrap_or_default()
        .iter()
        .chain(config.cmd.iter().flatten())
        .cloned();
    match words.next() {
        Some(program) => Ok((program, words.collect())),
        None => Err(Error::invalid("no command specified")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut ContainerConfig)) -> ContainerConfig {
        let mut config = ContainerConfig::default();
        change(&mut config);
        config
    }

    #[test]
    fn words_of_the_command() {
        let words = |list: &[&str]| {
            Some(
                list.iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let both = config(|c| {
            c.entrypoint = words(&["sh", "-c"]);
            c.cmd = words(&["true"]);
        });
        assert_eq!(
            command(&both).unwrap(),
            ("sh".to_owned(), vec!["-c".to_owned(), "true".to_owned()])
        );
        let reset = config(|c| {
            c.entrypoint = words(&[""]);
            c.cmd = words(&["true"]);
        });
        assert_eq!(command(&reset).unwrap().0, "true");
        assert_eq!(
            command(&ContainerConfig::default())
                .unwrap_err()
                .to_string(),
            "no command specified"
        );
    }

    #[test]
    fn every_wrong_field_is_refused() {
        let list = |text: &str| Some(vec![text.to_owned()]);
        let health = |test: &[&str], interval| HealthConfig {
            test: Some(test.iter().map(|word| (*word).to_owned()).collect()),
            interval: Some(interval),
            ..HealthConfig::default()
        };
        let wrong: Vec<ContainerConfig> = vec![
            config(|c| c.env = list("")),
            config(|c| c.env = list("=x")),
            config(|c| c.env = list("A=\0")),
            config(|c| c.cmd = list("a\0b")),
            config(|c| c.working_dir = Some("relative".to_owned())),
            config(|c| c.hostname = Some("a b".to_owned())),
            config(|c| c.hostname = Some("a".repeat(64))),
            config(|c| c.domainname = Some("x\ny".to_owned())),
            config(|c| c.stop_signal = Some("FOO".to_owned())),
            config(|c| c.stop_timeout = Some(-2)),
            config(|c| c.exposed_ports = list("80/icmp")),
            config(|c| c.volumes = list("relative")),
            config(|c| c.volumes = list("/")),
            config(|c| c.healthcheck = Some(health(&["SHELL", "x"], 0))),
            config(|c| c.healthcheck = Some(health(&["CMD"], 0))),
            config(|c| c.healthcheck = Some(health(&["CMD", "x"], 1))),
        ];
        for config in wrong {
            assert_eq!(
                check(&config).unwrap_err().kind().status(),
                400,
                "{config:?}"
            );
        }
        check(&config(|c| c.healthcheck = Some(health(&["NONE"], 0)))).unwrap();
        check(&config(|c| c.exposed_ports = list("80/sctp"))).unwrap();
    }
}
