//! The command that starts a kernel's process: the launcher, with the environment and directory of the kernel.
use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{io::Errno, process::Rlimit};
use tokio::process::Command;

use super::{
    confine::{Confined, Confinement},
    launched_for::LaunchedFor,
    launcher::{OpenFiles, Start},
    provision::{LaunchError, LaunchOrder},
};
use crate::{
    id::KernelId,
    runtimes::{Adapter, CommandValues, Launch},
};

/// Variables that another launcher of kernels sets for its own. A fleet that is started from within one of them inherits these, and a kernel that
/// sees them ends with a process that is none of its own (ipykernel), or takes itself for another notebook's.
const OF_ANOTHER_LAUNCHER: [&str; 2] = ["JPY_PARENT_PID", "JPY_SESSION_NAME"];

/// Of the environment of the program that a kernel is launched for, what makes a kernel end with that program.
const TIES_TO_A_HOST: [&str; 2] = ["JPY_PARENT_PID", "JPY_INTERRUPT_EVENT"];

/// A kernel's command: what its launcher becomes.
#[derive(Debug)]
pub(super) struct KernelCommand {
    /// The program and its arguments, never empty.
    argv: Vec<OsString>,
    /// What has to be there: the program, or that behind its adapter.
    program: OsString,
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
    launched_for: Option<Arc<LaunchedFor>>,
}

impl KernelCommand {
    /// The runtime's command, filled in.
    pub(super) fn of(order: &LaunchOrder, program: &Path, file: &Path, port: u16) -> io::Result<Self> {
        let ours = |command: &str| [program.into(), command.into(), "-f".into(), file.into()].to_vec();
        let launched_for = order.launched_for.clone();
        match &order.runtime.launch {
            Launch::BuiltinLua { env, cwd } => {
                let argv = ours("lua-kernel");
                Ok(Self { argv, program: program.into(), env: env.clone(), cwd: cwd.clone(), launched_for })
            }
            Launch::Argv { argv, env, cwd } => {
                let fill = |file: &Path, port| {
                    let connection_file = &*file.to_string_lossy();
                    let values = CommandValues { connection_file, port, kernel_id: order.kernel.as_str() };
                    values.fill(argv).into_iter().map(OsString::from).collect::<Vec<_>>()
                };
                let mut command = Vec::new();
                let argv = match order.runtime.adapter {
                    None => fill(file, port),
                    Some(Adapter::Llmspell) => {
                        let announced = file.with_file_name(announced_name(&order.kernel));
                        command = ours("llmspell-kernel");
                        command.extend(["--announced".into(), announced.clone().into(), "--".into()]);
                        fill(&announced, 0)
                    }
                };
                let program =
                    argv.first().ok_or_else(|| io::Error::other("the runtime's argv is empty"))?.clone();
                command.extend(argv);
                command.extend(launched_for.iter().flat_map(|host| &host.arguments).map(OsString::from));
                Ok(Self { argv: command, program, env: env.clone(), cwd: cwd.clone(), launched_for })
            }
        }
    }

    /// The program and its arguments, to be shown.
    pub(super) fn words(&self) -> Vec<String> {
        self.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// The launcher, which becomes this command within the limits. `usual_files` is the limit on open files of kernels
    /// without one of their own, if it is not ours.
    pub(super) fn launcher(
        self,
        program: &Path,
        confinement: &Confinement,
        confined: &Confined,
        usual_files: Option<Rlimit>,
    ) -> Command {
        let limits = &confined.enforcement().limits;
        let asked =
            confinement.open_files(limits).map(|most| OpenFiles { soft: Some(most), hard: Some(most) });
        let start = Start {
            groups: confined.procs_files(),
            memory: confinement.memory_rlimit(limits),
            open_files: asked.or(usual_files.map(OpenFiles::from)),
            nice: confinement.nice(limits),
            argv: self.argv,
        };
        let mut command = Command::new(program);
        match self.launched_for.as_ref().and_then(|host| host.environment()) {
            Some(environment) => {
                let own =
                    environment.iter().filter(|(name, _)| !TIES_TO_A_HOST.iter().any(|tie| name == tie));
                command.env_clear().envs(own.map(|(name, value)| (name, value)));
            }
            None => OF_ANOTHER_LAUNCHER.iter().for_each(|variable| {
                command.env_remove(variable);
            }),
        }
        // What the runtime says of itself goes before what follows from its limits.
        command.args(start.arguments()).envs(limits.environment()).envs(&self.env);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
    }

    /// Whether the program is there, in the kernel's own `PATH` and directory: said at once, and not in its log.
    ///
    /// # Errors
    /// What the system would say of starting it.
    pub(super) fn find_program(&self) -> Result<(), LaunchError> {
        self.find().map_err(|error| LaunchError::Spawn { argv: self.words(), error: error.into() })
    }

    /// A variable of the environment that the kernel's own variables are added to.
    fn inherited(&self, name: &str) -> Option<OsString> {
        match self.launched_for.as_ref().and_then(|host| host.environment()) {
            Some(environment) => {
                environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
            None => env::var_os(name),
        }
    }

    fn find(&self) -> Result<(), Errno> {
        let program = self.program.as_os_str();
        let path = self.env.get("PATH").map(OsString::from).or_else(|| self.inherited("PATH"));
        let here = || env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let cwd = self.cwd.clone().unwrap_or_else(here);
        match which::which_in(program, path, &cwd) {
            Ok(_) => Ok(()),
            Err(_) if is_path(program) && cwd.join(program).exists() => Err(Errno::ACCESS),
            Err(_) => Err(Errno::NOENT),
        }
    }
}

fn is_path(program: &OsStr) -> bool {
    program.as_encoded_bytes().contains(&b'/')
}

/// The name of the connection file that the program behind a kernel's adapter writes.
pub(super) fn announced_name(kernel: &KernelId) -> String {
    format!("announced-{kernel}.json")
}

/// This program, also after an upgrade has taken its file away.
pub(super) fn this_program(file: &Path) -> PathBuf {
    if file.exists() { file.to_owned() } else { PathBuf::from("/proc/self/exe") }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn command(program: &str, path: &str, cwd: &Path) -> KernelCommand {
        KernelCommand {
            argv: vec![program.into()],
            program: program.into(),
            env: BTreeMap::from([("PATH".to_owned(), path.to_owned())]),
            cwd: Some(cwd.to_owned()),
            launched_for: None,
        }
    }

    #[test]
    fn a_program_is_looked_for_as_the_kernel_would() {
        let cwd = TempDir::new().unwrap();
        std::fs::write(cwd.path().join("text"), "no program").unwrap();
        let find = |program: &str, path: &str| command(program, path, cwd.path()).find();
        assert_eq!(find("sh", "/usr/bin:/bin"), Ok(()));
        assert_eq!(find("sh", "/nowhere"), Err(Errno::NOENT));
        assert_eq!(find("./sh", "/bin"), Err(Errno::NOENT));
        assert_eq!(find("./text", "/bin"), Err(Errno::ACCESS));
        std::os::unix::fs::symlink("/bin/sh", cwd.path().join("link")).unwrap();
        assert_eq!(find("./link", "/bin"), Ok(()));
    }
}
