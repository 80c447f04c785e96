//! Process 1 of the machine: from the kernel's first breath to a running engine, and back to power off.
//!
//! It comes from the initrd and stays: the program is in memory already, and the agent, which is the same file, shares
//! that memory. Each stage says so on the console; one that fails says what and what to try, and the machine powers
//! off, since a machine that hangs explains nothing.

mod ahead;
mod channel;
mod cmdline;
mod console;
mod data;
mod disks;
mod error;
mod modules;
mod mounts;
mod net;
mod root;
mod services;
mod settings;
mod shares;
mod shutdown;
mod sys;
mod uevent;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cmdline::Settings;
use console::{fail, say};
use error::{InitError, file, kernel};
use services::{Service, keep_alive};
use sys::Heard;

/// Brings the machine up and keeps it up; returns only where it isn't process 1.
pub fn run() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("gantry: init runs as process 1 of a machine only");
        return ExitCode::from(2);
    }
    let mut services = match bring_up() {
        Ok(services) => services,
        Err((stage, error)) => {
            fail(stage, &error);
            rustix::fs::sync();
            shutdown::power_off(Heard::PowerOff)
        }
    };
    let end = keep_alive(&mut services);
    shutdown::end(&mut services, end)
}

type Failed = (&'static str, InitError);

fn bring_up() -> Result<Vec<Service>, Failed> {
    let at = |stage| move |error| (stage, error);
    sys::keep_signals()
        .map_err(kernel("keep signals"))
        .map_err(at("init"))?;
    mounts::early().map_err(at("init"))?;
    say("init", "runs");
    let settings = settings().map_err(at("init"))?;
    modules::load(Path::new("/modules"), "root").map_err(at("modules"))?;
    let disks = disks::find().map_err(at("disks"))?;
    root::switch(&disks.root).map_err(at("root"))?;
    say("root", "is in place");
    mounts::late().map_err(at("root"))?;
    mounts::control_groups().map_err(at("cgroups"))?;
    let named = rustix::system::sethostname(settings.hostname.as_bytes());
    named
        .map_err(kernel("set the host's name"))
        .map_err(at("init"))?;
    settings::set_clock();

    // Without a network, the engine can do much: nobody waits for this one.
    std::thread::spawn(net::run);
    std::thread::spawn(ahead::read);
    let (modules, data) = std::thread::scope(|scope| {
        let data = scope.spawn(|| data::mount(&disks.data).inspect(|()| say("data", "is mounted")));
        let modules = load_modules().inspect(|()| say("modules", "are loaded"));
        (modules, data.join())
    });
    modules.map_err(at("modules"))?;
    match data {
        Ok(mounted) => mounted.map_err(at("data"))?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    settings::apply();
    net::loopback().map_err(at("network"))?;
    shares::mount(&settings.shares).map_err(at("shares"))?;
    write_hosts(&settings.hostname).map_err(at("root"))?;
    root::seal().map_err(at("root"))?;
    services(&settings).map_err(at("channel"))
}

fn settings() -> Result<Settings, InitError> {
    let path = "/proc/cmdline";
    let line = fs::read(path).map_err(file("read", path))?;
    Ok(Settings::parse(&String::from_utf8_lossy(&line))?)
}

fn load_modules() -> Result<(), InitError> {
    let release = rustix::system::uname();
    let folder =
        PathBuf::from("/usr/lib/modules").join(release.release().to_string_lossy().as_ref());
    modules::load(&folder, "boot")
}

fn write_hosts(hostname: &str) -> Result<(), InitError> {
    let text = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{hostname}\n"
    );
    fs::write("/etc/hosts", text).map_err(file("write", "/etc/hosts"))
}

/// The engine first: whoever stops them begins with it.
fn services(settings: &Settings) -> Result<Vec<Service>, InitError> {
    let mut engine = Service::engine(settings);
    engine.start();
    let mut services = vec![engine];
    if let Some(channel) = &settings.channel {
        services.push(Service::agent(channel::argument(channel)?));
    }
    Ok(services)
}
