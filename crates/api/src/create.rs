//! The body of `POST /containers/create`, read the way Docker's daemon reads it, and with what it doesn't know.
//!
//! Docker drops fields that it doesn't know. We hand them back, so that the engine can refuse what it would
//! otherwise silently not do. A field that asks for nothing (`null`, `""`, `0`, `false`, `[]`, `{}`) is honoured
//! by doing nothing: older clients send such leftovers.

use bollard_stubs::models::ContainerCreateBody;
use serde_json::Value;
use thiserror::Error;

/// A body that describes no container. The texts start as Docker's do.
#[derive(Debug, Error)]
pub enum CreateBodyError {
    /// Nothing at all.
    #[error("invalid JSON: got EOF while reading request body")]
    Empty,
    /// Not JSON.
    #[error("invalid JSON: {0}")]
    Syntax(serde_json::Error),
    /// JSON, but of another type than the field has.
    #[error("invalid JSON: {path}: {source}")]
    Field {
        /// Where, as `HostConfig.Memory`.
        path: String,
        /// What is wrong there.
        source: serde_json::Error,
    },
    /// A restart policy that doesn't exist.
    #[error(
        "invalid restart policy: unknown policy '{0}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
    )]
    RestartPolicy(String),
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateBody {
    /// The fields that the specification knows; ports and volumes in order of their names.
    pub body: ContainerCreateBody,
    /// Paths of fields that ask for something and that the specification doesn't know, as `HostConfig.Colour`.
    pub unknown: Vec<String>,
}

/// Reads the body. The caller bounds its size; its depth is bounded here (128, by the parser).
pub fn parse(bytes: &[u8]) -> Result<CreateBody, CreateBodyError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(CreateBodyError::Empty);
    }
    let mut json: Value = serde_json::from_slice(bytes).map_err(CreateBodyError::Syntax)?;
    normalise(&mut json)?;

    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(&json, &mut track);
    let parsed = serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()));
    let mut body: ContainerCreateBody = parsed.map_err(|source| CreateBodyError::Field {
        path: track.path().to_string(),
        source,
    })?;

    // serde_ignored writes `?` for the inside of an Option.
    let mut unknown: Vec<String> = unknown
        .into_iter()
        .map(|path| path.replace(".?", "").replace("?.", ""))
        .collect();
    unknown.retain(|path| lookup(&json, path).is_none_or(asks_for_something));
    unknown.sort();
    // The models keep these two as lists made from a hash map: give them an order.
    for list in [&mut body.exposed_ports, &mut body.volumes]
        .into_iter()
        .flatten()
    {
        list.sort();
    }
    Ok(CreateBody { body, unknown })
}

/// Brings what Go's decoder takes and the models don't into the models' form.
fn normalise(json: &mut Value) -> Result<(), CreateBodyError> {
    drop_nulls(json, Nulls::Drop);
    for name in ["Cmd", "Entrypoint"] {
        // Docker's `strslice`: one string stands for a list of one.
        if let Some(field @ Value::String(_)) = json.get_mut(name) {
            *field = Value::Array(vec![field.take()]);
        }
    }
    if let Some(Value::String(policy)) = json.pointer("/HostConfig/RestartPolicy/Name")
        && !["", "no", "always", "on-failure", "unless-stopped"].contains(&policy.as_str())
    {
        return Err(CreateBodyError::RestartPolicy(policy.clone()));
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Nulls {
    Drop,
    Keep,
    Empty,
}

/// In Go `null` is "not set"; but in a map of ports, and in one of networks, the key alone says something.
fn drop_nulls(json: &mut Value, nulls: Nulls) {
    match json {
        Value::Object(fields) => {
            match nulls {
                Nulls::Drop => fields.retain(|_, value| !value.is_null()),
                Nulls::Keep => {}
                Nulls::Empty => {
                    for value in fields.values_mut().filter(|value| value.is_null()) {
                        *value = Value::Object(serde_json::Map::new());
                    }
                }
            }
            for (name, value) in fields {
                let inside = match name.as_str() {
                    "PortBindings" => Nulls::Keep,
                    "ExposedPorts" | "Volumes" | "EndpointsConfig" => Nulls::Empty,
                    _ => Nulls::Drop,
                };
                drop_nulls(value, inside);
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| drop_nulls(item, Nulls::Drop)),
        _ => {}
    }
}

fn lookup<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(json, |at, part| match at {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => at.get(part),
    })
}

fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_str(text: &str) -> Result<CreateBody, CreateBodyError> {
        parse(text.as_bytes())
    }

    #[test]
    fn the_docker_cli_s_body_has_no_unknown_fields() {
        let parsed = parse_str(
            r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,
            "ExposedPorts":{"80/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":["true"],
            "Image":"busybox","Volumes":{"/z":{},"/a":{}},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},
            "HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},
            "NetworkMode":"bridge","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}],"81/tcp":null},
            "RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"",
            "VolumesFrom":null,"ConsoleSize":[24,80],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":[],
            "DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,
            "OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,
            "SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":0,
            "NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],
            "BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,
            "CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],
            "DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,
            "MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,
            "IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null,"KernelMemory":0},
            "NetworkingConfig":{"EndpointsConfig":{"default":null}}}"#,
        )
        .unwrap();
        assert_eq!(parsed.unknown, Vec::<String>::new());
        assert_eq!(
            parsed.body.volumes.as_deref(),
            Some(["/a".to_owned(), "/z".to_owned()].as_slice())
        );
        let host = parsed.body.host_config.unwrap();
        let ports = host.port_bindings.unwrap();
        assert_eq!(
            ports["80/tcp"].as_ref().unwrap()[0].host_port.as_deref(),
            Some("8080")
        );
        assert_eq!(ports["81/tcp"], None);
        assert_eq!(host.binds, None);
    }

    #[test]
    fn unknown_fields_are_told_where_they_ask_for_something() {
        let parsed = parse_str(
            r#"{"Image":"x","Colour":"red","Shade":"","HostConfig":{"Glow":{"a":1},"Dim":null,
            "Mounts":[{"Type":"bind","Source":"/a","Target":"/b","Twist":true,"Turn":false}]}}"#,
        )
        .unwrap();
        assert_eq!(
            parsed.unknown,
            ["Colour", "HostConfig.Glow", "HostConfig.Mounts.0.Twist"]
        );
    }

    #[test]
    fn one_string_is_a_command() {
        let parsed = parse_str(r#"{"Cmd":"date","Entrypoint":"sh"}"#).unwrap();
        assert_eq!(parsed.body.cmd, Some(vec!["date".to_owned()]));
        assert_eq!(parsed.body.entrypoint, Some(vec!["sh".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let says = |text| parse_str(text).unwrap_err().to_string();
        assert_eq!(
            says(" "),
            "invalid JSON: got EOF while reading request body"
        );
        assert!(says("{").starts_with("invalid JSON: "), "{}", says("{"));
        assert!(
            says("{} {}").starts_with("invalid JSON: trailing"),
            "{}",
            says("{} {}")
        );
        let memory = says(r#"{"HostConfig":{"Memory":"much"}}"#);
        assert!(
            memory.starts_with("invalid JSON: HostConfig.Memory: invalid type"),
            "{memory}"
        );
        assert_eq!(
            says(r#"{"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}"#),
            "invalid restart policy: unknown policy 'sometimes'; \
             use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(parse_str(&deep), Err(CreateBodyError::Syntax(_))));
        assert!(matches!(
            parse_str("[]"),
            Err(CreateBodyError::Field { .. })
        ));
        assert!(matches!(
            parse_str("null"),
            Err(CreateBodyError::Field { .. })
        ));
    }
}
