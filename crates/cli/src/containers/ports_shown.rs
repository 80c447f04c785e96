//! The ports of a container in one column, neighbouring ones drawn together.

use bollard::models::PortSummary;

/// `0.0.0.0:8080->80/tcp, 443/tcp`
pub fn ports(ports: &[PortSummary]) -> String {
    let mut ports: Vec<Shown> = ports.iter().map(Shown::new).collect();
    ports.sort();
    let mut groups: Vec<Group> = Vec::new();
    let mut mapped = Vec::new();
    for port in ports {
        if !port.ip.is_empty() && port.public != port.private {
            mapped.push(format!(
                "{}->{}/{}",
                joined(&port.ip, &port.public.to_string()),
                port.private,
                port.kind
            ));
            continue;
        }
        let last = groups
            .iter_mut()
            .rev()
            .find(|group| group.ip == port.ip && group.kind == port.kind);
        match last {
            Some(group) if group.last == port.private => {}
            Some(group) if group.last.checked_add(1) == Some(port.private) => {
                group.last = port.private
            }
            _ => groups.push(Group {
                ip: port.ip,
                kind: port.kind,
                first: port.private,
                last: port.private,
            }),
        }
    }
    let groups = groups.into_iter().map(|group| group.text());
    groups.chain(mapped).collect::<Vec<_>>().join(", ")
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    private: u16,
    ip: String,
    public: u16,
    kind: String,
}

impl Shown {
    fn new(port: &PortSummary) -> Shown {
        Shown {
            private: port.private_port,
            ip: port.ip.clone().unwrap_or_default(),
            public: port.public_port.unwrap_or_default(),
            kind: port.typ.map(|kind| kind.to_string()).unwrap_or_default(),
        }
    }
}

struct Group {
    ip: String,
    kind: String,
    first: u16,
    last: u16,
}

impl Group {
    fn text(&self) -> String {
        let mut range = self.first.to_string();
        if self.last != self.first {
            range = format!("{range}-{}", self.last);
        }
        if !self.ip.is_empty() {
            range = format!("{}->{range}", joined(&self.ip, &range));
        }
        format!("{range}/{}", self.kind)
    }
}

fn joined(ip: &str, port: &str) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn neighbours_are_drawn_together() {
        let list: Vec<PortSummary> = serde_json::from_value(json!([
            {"PrivatePort": 82, "Type": "tcp"}, {"PrivatePort": 81, "Type": "tcp"}, {"PrivatePort": 80, "Type": "tcp"},
            {"PrivatePort": 80, "Type": "udp"}, {"PrivatePort": 90, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 100, "PublicPort": 100, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 101, "PublicPort": 101, "Type": "tcp"},
            {"IP": "::1", "PrivatePort": 200, "PublicPort": 300, "Type": "tcp"}
        ]))
        .unwrap();
        assert_eq!(
            ports(&list),
            "80-82/tcp, 80/udp, 90/tcp, 0.0.0.0:100-101->100-101/tcp, [::1]:300->200/tcp"
        );
    }
}
