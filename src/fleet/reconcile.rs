//! Which processes of this machine belong to kernels, whoever started them and whatever they did since.
//!
//! A kernel is started with variables that name its fleet, its id, its runtime and its own process; what it
//! starts in turn inherits them.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
};

use procfs::process::{Process, all_processes};
use rustix::process::{Pid, Signal, kill_process};
use tracing::warn;

use super::record::ProcessIdentity;
use crate::id::KernelId;

/// The variable that holds the fleet's own id. Its directory's path would not do: two fleets in two containers, or in two
/// working directories, may call theirs the same.
pub const FLEET_VARIABLE: &str = "JUPYTER_FLEET_ID";
/// The variable that holds the kernel's id.
pub const KERNEL_VARIABLE: &str = "JUPYTER_FLEET_KERNEL";
/// The variable that holds the runtime's name.
pub const RUNTIME_VARIABLE: &str = "JUPYTER_FLEET_RUNTIME";
/// The variable that holds the number of the kernel's own process.
pub const PROCESS_VARIABLE: &str = "JUPYTER_FLEET_PROCESS";

/// A process that belongs to a kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Belonging {
    /// The kernel.
    pub kernel: KernelId,
    /// From what it was launched.
    pub runtime: String,
    /// The number of the kernel's own process; this one's, or its ancestor's.
    pub leader: i32,
    /// This process.
    pub process: ProcessIdentity,
    /// What it runs.
    pub argv: Vec<String>,
}

impl Belonging {
    /// Whether this is the kernel's own process.
    pub fn is_leader(&self) -> bool {
        self.leader == self.process.pid
    }
}

/// All living processes that belong to kernels of the fleet with this id. Reads the environment of each process of
/// this user.
pub fn belongings(fleet: &str) -> Vec<Belonging> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let processes = all_processes().into_iter().flatten().filter_map(Result::ok);
    processes
        .filter(|process| process.pid() != own)
        .filter_map(|process| belonging(&process, fleet))
        .collect()
}

/// Kills processes; each is looked at once more before.
pub fn kill_all(strays: &[Belonging]) {
    for stray in strays.iter().filter(|stray| stray.process.is_alive()) {
        warn!(
            kernel = %stray.kernel,
            pid = stray.process.pid,
            argv = ?stray.argv,
            "killing a process of a kernel that is gone"
        );
        if let Some(pid) = Pid::from_raw(stray.process.pid) {
            // The only error is that it has just ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn belonging(process: &Process, fleet: &str) -> Option<Belonging> {
    // Another user's environment cannot be read, and a zombie has none.
    let environment: HashMap<OsString, OsString> = process.environ().ok()?;
    let value = |name: &str| environment.get(OsStr::new(name));
    if value(FLEET_VARIABLE)? != OsStr::new(fleet) {
        return None;
    }
    let text = |name: &str| value(name)?.to_str();
    Some(Belonging {
        kernel: KernelId::from(text(KERNEL_VARIABLE)?),
        runtime: text(RUNTIME_VARIABLE)?.to_owned(),
        leader: text(PROCESS_VARIABLE)?.parse().ok()?,
        process: ProcessIdentity { pid: process.pid(), start_time: process.stat().ok()?.starttime },
        argv: process.cmdline().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        process::Command,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn what_a_kernel_started_is_found_and_ended_also_when_the_kernel_is_gone() {
        let fleet = uuid::Uuid::new_v4().to_string();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo; exec sleep 601"]).stdout(std::process::Stdio::piped());
        for (name, value) in
            [(KERNEL_VARIABLE, "1a2b3c4d"), (RUNTIME_VARIABLE, "lua"), (PROCESS_VARIABLE, "1")]
        {
            command.env(name, value);
        }
        let mut child = command.env(FLEET_VARIABLE, &fleet).spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        // A process that is just becoming another program has no environment for a moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut found = belongings(&fleet);
        while found.len() < 2 && Instant::now() < deadline {
            found = belongings(&fleet);
        }
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|one| one.kernel.as_str() == "1a2b3c4d" && !one.is_leader()));
        assert!(belongings("another").is_empty());
        kill_all(&found);
        child.wait().unwrap();
        while !belongings(&fleet).is_empty() {
            assert!(Instant::now() < deadline, "{:?}", belongings(&fleet));
        }
    }
}
