//! Hyper-V by PowerShell. Never run: scripts and the reading of their answers only. `docs/machine.md` says what is
//! missing before a machine can run by it.
//!
//! Scripts are constant but for values in single-quoted strings, whose quotes are doubled; names are [`MachineName`]s.

use std::path::Path;

use serde::Deserialize;

use crate::name::MachineName;
use crate::paths::Paths;
use crate::spec::Spec;

/// The port of Hyper-V's sockets that the guest's agent listens at.
pub const PORT: u32 = 1024;

/// What Hyper-V says that a machine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HyperVState {
    /// It runs.
    Running,
    /// It is off.
    Off,
    /// It stands still.
    Paused,
    /// It is on its way, or what later versions call it.
    Other(u32),
}

/// A machine as Hyper-V sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HyperVMachine {
    /// What it is doing.
    pub state: HyperVState,
    /// What its sockets are addressed by.
    pub id: String,
}

/// PowerShell's arguments for a script.
pub fn powershell(script: &str) -> Vec<String> {
    [
        "-NoProfile",
        "-NonInteractive",
        "-ExecutionPolicy",
        "Bypass",
        "-Command",
        script,
    ]
    .map(str::to_owned)
    .into()
}

/// What Hyper-V calls the machine.
pub fn vm_name(name: &MachineName) -> String {
    format!("gantry-{name}")
}

/// The service of Hyper-V's sockets for a port of the guest's: Linux' vsock ports lie below this one.
pub fn service(port: u32) -> String {
    format!("{port:08x}-facb-11e6-bd58-64006a7986d3")
}

/// Makes the machine: `boot` is a disk that its firmware can boot.
pub fn create(spec: &Spec, paths: &Paths, boot: &Path) -> String {
    let name = quoted(&vm_name(&spec.name));
    let service = quoted(&format!(
        r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization\GuestCommunicationServices\{}",
        service(PORT)
    ));
    let data = quoted(&paths.data().join("data.vhdx").to_string_lossy());
    [
        "$ErrorActionPreference = 'Stop'".to_owned(),
        format!("New-VHD -Path {data} -SizeBytes {} -Dynamic | Out-Null", spec.disk),
        format!(
            "New-VM -Name {name} -Generation 2 -MemoryStartupBytes {} -VHDPath {} -SwitchName 'Default Switch' | Out-Null",
            spec.memory,
            quoted(&boot.to_string_lossy())
        ),
        format!("Add-VMHardDiskDrive -VMName {name} -Path {data}"),
        format!("Set-VMFirmware -VMName {name} -EnableSecureBoot Off"),
        format!("Set-VMProcessor -VMName {name} -Count {}", spec.cpus),
        format!(
            "Set-VMMemory -VMName {name} -DynamicMemoryEnabled $true -MinimumBytes 256MB -MaximumBytes {}",
            spec.memory
        ),
        format!("Set-VM -Name {name} -AutomaticCheckpointsEnabled $false -CheckpointType Disabled"),
        format!("Set-VMComPort -VMName {name} -Number 1 -Path '\\\\.\\pipe\\gantry-{}-console'", spec.name),
        format!("if (-not (Test-Path {service})) {{ New-Item -Path {service} | Set-ItemProperty -Name ElementName -Value 'Gantry tunnel' }}"),
    ]
    .join("\n")
}

/// Asks what the machine is doing: JSON, or nothing where there is none.
pub fn query(name: &MachineName) -> String {
    format!(
        "Get-VM -Name {} -ErrorAction SilentlyContinue | Select-Object @{{n='State';e={{[int]$_.State}}}},@{{n='Id';e={{$_.Id.Guid}}}} | ConvertTo-Json -Compress",
        quoted(&vm_name(name))
    )
}

/// Starts, stops and removes it.
pub fn start(name: &MachineName) -> String {
    format!("Start-VM -Name {}", quoted(&vm_name(name)))
}

/// Ends it at once.
pub fn turn_off(name: &MachineName) -> String {
    format!("Stop-VM -Name {} -TurnOff -Force", quoted(&vm_name(name)))
}

/// Forgets it; its disks stay.
pub fn remove(name: &MachineName) -> String {
    format!("Remove-VM -Name {} -Force", quoted(&vm_name(name)))
}

/// Reads the answer to [`query`]; none where there is no such machine.
pub fn read_query(answer: &str) -> Result<Option<HyperVMachine>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        state: u32,
        id: String,
    }
    let answer = answer.trim_start_matches('\u{feff}').trim();
    if answer.is_empty() {
        return Ok(None);
    }
    let Answer { state, id } = serde_json::from_str(answer)?;
    let state = match state {
        2 => HyperVState::Running,
        3 => HyperVState::Off,
        9 => HyperVState::Paused,
        other => HyperVState::Other(other),
    };
    Ok(Some(HyperVMachine { state, id }))
}

/// A string that PowerShell takes as it is.
fn quoted(text: &str) -> String {
    // It takes typographic quotes for quotes, too.
    let doubled: String = text
        .chars()
        .flat_map(|c| match c {
            '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => vec![c, c],
            c => vec![c],
        })
        .collect();
    format!("'{doubled}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::fixture;

    #[test]
    fn scripts() {
        let (spec, paths, _) = fixture::machine();
        let name = &spec.name;
        let script = create(&spec, &paths, Path::new("C:\\it's\\boot.vhdx"));
        // The fixture's paths are another system's.
        let script = script.replace('\\', "/");
        insta::assert_snapshot!(
            [
                script,
                query(name),
                start(name),
                turn_off(name),
                remove(name)
            ]
            .join("\n----\n")
        );
        insta::assert_snapshot!(powershell("Get-VM").join(" "));
    }

    #[test]
    fn answers_are_read() {
        let read = |answer| read_query(answer).unwrap().map(|machine| machine.state);
        assert_eq!(read("\r\n"), None);
        assert_eq!(
            read("\u{feff}{\"State\":2,\"Id\":\"a\"}\r\n"),
            Some(HyperVState::Running)
        );
        assert_eq!(read(r#"{"State":3,"Id":"a"}"#), Some(HyperVState::Off));
        assert_eq!(
            read(r#"{"State":32773,"Id":"a"}"#),
            Some(HyperVState::Other(32773))
        );
        assert!(read_query("Get-VM : no").is_err());
    }
}
