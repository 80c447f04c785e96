//! How many files the engine may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes all that is allowed. What a shell gives is 1024, for programs that use `select`; a thousand published ports
/// alone are two thousand sockets. Containers begin with what was given: [`gantry_runtime::Host::open_files`].
pub fn take_all() {
    let allowed = getrlimit(Resource::Nofile).maximum;
    let limits = Rlimit {
        current: allowed,
        maximum: allowed,
    };
    if let Err(error) = setrlimit(Resource::Nofile, limits) {
        tracing::warn!(%error, "can't raise the number of open files");
    }
}
