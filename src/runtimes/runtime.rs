//! A runtime: a named way to launch a kernel.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    byte_size::ByteSize,
    jupyter::{address::Transport, kernelspec::InterruptMode, placeholder::replace_placeholders},
    runtime_name::RuntimeName,
};

use super::process_limits::ProcessLimits;

/// How kernels of one kind are launched, and what they offer to clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// What clients ask for.
    pub name: RuntimeName,
    /// What people see in lists.
    pub display_name: String,
    /// The language, as kernelspecs write it; empty where one says none, until a kernel tells.
    pub language: String,
    /// What is started.
    pub launch: Launch,
    /// The model providers that the runtime has access to.
    pub providers: BTreeSet<String>,
    /// Whatever else clients may ask for by name, such as `gpu`.
    pub labels: BTreeSet<String>,
    /// The most memory that a kernel may use; `None` is unlimited.
    pub memory_limit: Option<ByteSize>,
    /// What else a kernel may use.
    pub process_limits: ProcessLimits,
    /// How a kernel is interrupted.
    pub interrupt_mode: InterruptMode,
    /// How the proxy reaches a kernel.
    pub transport: Transport,
    /// Who chooses a kernel's key and ports.
    pub connection: ConnectionMode,
    /// What makes a Jupyter kernel of a program that is none.
    pub adapter: Option<Adapter>,
    /// How many kernels are kept warm, ready for the next client; `None` is one of the default runtime, else none.
    pub pool: Option<usize>,
    /// The most clients that share a kernel; `None` is no bound.
    pub max_clients: Option<NonZeroUsize>,
    /// After which idle time a kernel is stopped; `None` is never.
    pub cull_after: Option<Duration>,
    /// Whether the kernel has a debugger.
    pub debugger: bool,
    /// Where the runtime was found.
    pub source: RuntimeSource,
    /// The directory of the kernelspec that it is, or starts from: its logos are there.
    #[serde(skip)]
    pub resource_dir: Option<PathBuf>,
}

/// What is started to get a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Launch {
    /// A command.
    Argv {
        /// The command, never empty; its placeholders are filled by [`CommandValues::fill`].
        argv: Vec<String>,
        /// Variables to add to the environment, ready to use. They may be secrets, and are never written down.
        #[serde(skip)]
        env: BTreeMap<String, String>,
        /// The working directory; `None` is the proxy's own.
        cwd: Option<PathBuf>,
    },
    /// This program's own Lua kernel.
    BuiltinLua {
        /// Variables to add to the environment, as for a command.
        #[serde(skip)]
        env: BTreeMap<String, String>,
        /// The working directory; `None` is the proxy's own.
        cwd: Option<PathBuf>,
    },
}

/// Who chooses a kernel's key and ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionMode {
    /// The proxy writes the connection file, and the kernel reads it, as Jupyter has it.
    #[default]
    Given,
    /// The kernel chooses them and writes the connection file itself.
    Announced,
}

/// A process of ours that serves a kernel's connection file, with a program behind it that does not speak Jupyter's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adapter {
    /// For `llmspell kernel start`.
    Llmspell,
}

/// Where a runtime was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeSource {
    /// An installed kernelspec: its directory.
    #[serde(serialize_with = "as_text")]
    Kernelspec(PathBuf),
    /// A table of a config file: that file.
    #[serde(serialize_with = "as_text")]
    Config(PathBuf),
    /// Part of this program.
    BuiltIn,
}

/// A path for people to read: one that is no text must not keep all else from being written down.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// What the placeholders in a runtime's command stand for.
#[derive(Debug, Clone, Copy)]
pub struct CommandValues<'a> {
    /// `{connection_file}`: its full path.
    pub connection_file: &'a str,
    /// `{port}`: the first of the kernel's ports, shell's; 0 where the kernel is to choose it.
    pub port: u16,
    /// `{kernel_id}`
    pub kernel_id: &'a str,
}

impl Runtime {
    /// The runtime, its kernels beginning in this directory unless it names another.
    pub fn beginning_at(runtime: &Arc<Self>, directory: Option<&Path>) -> Arc<Self> {
        let (None, Some(directory)) = (runtime.directory(), directory) else { return runtime.clone() };
        let mut runtime = Self::clone(runtime);
        let (Launch::BuiltinLua { cwd, .. } | Launch::Argv { cwd, .. }) = &mut runtime.launch;
        *cwd = Some(directory.to_owned());
        Arc::new(runtime)
    }

    /// Where its kernels begin, if it says so.
    pub fn directory(&self) -> Option<&Path> {
        let (Launch::BuiltinLua { cwd, .. } | Launch::Argv { cwd, .. }) = &self.launch;
        cwd.as_deref()
    }

    /// The Lua kernel that is part of this program.
    pub fn builtin_lua() -> Self {
        Self {
            name: RuntimeName::lua(),
            display_name: "Lua (built in)".to_owned(),
            language: "lua".to_owned(),
            launch: Launch::BuiltinLua { env: BTreeMap::new(), cwd: None },
            providers: BTreeSet::new(),
            labels: BTreeSet::new(),
            memory_limit: None,
            process_limits: ProcessLimits::default(),
            interrupt_mode: InterruptMode::Message,
            transport: Transport::Ipc,
            connection: ConnectionMode::Given,
            adapter: None,
            pool: None,
            max_clients: None,
            cull_after: None,
            debugger: false,
            source: RuntimeSource::BuiltIn,
            resource_dir: None,
        }
    }
}

/// The transport of a kernel that is started by this command, where nobody says otherwise.
///
/// ipc keeps other users of the machine out, but few kernels know it: ipykernel does.
pub fn usual_transport(argv: &[String]) -> Transport {
    if argv.iter().any(|argument| argument.contains("ipykernel")) { Transport::Ipc } else { Transport::Tcp }
}

impl Runtime {
    /// How many of its kernels are kept warm.
    pub fn pool_size(&self, is_default: bool) -> usize {
        self.pool.unwrap_or(usize::from(is_default))
    }
}

impl CommandValues<'_> {
    /// The command to run: placeholders replaced; what is no placeholder of ours stays as it is.
    pub fn fill(&self, argv: &[String]) -> Vec<String> {
        let port = self.port.to_string();
        let values = [
            ("connection_file", self.connection_file),
            ("port", port.as_str()),
            ("kernel_id", self.kernel_id),
        ];
        argv.iter().map(|argument| replace_placeholders(argument, &values)).collect()
    }
}

impl fmt::Display for RuntimeSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernelspec(path) | Self::Config(path) => path.display().fmt(formatter),
            Self::BuiltIn => formatter.write_str("built in"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_filled() {
        let values =
            CommandValues { connection_file: "/run/kernel-1.json", port: 4100, kernel_id: "0a1b2c3d" };
        let argv =
            ["k", "-f={connection_file}", "--port", "{port}", "{kernel_id}", "{other}"].map(str::to_owned);
        assert_eq!(
            values.fill(&argv),
            ["k", "-f=/run/kernel-1.json", "--port", "4100", "0a1b2c3d", "{other}"]
        );
    }

    #[test]
    fn ipykernel_gets_ipc() {
        for (argument, transport) in [
            ("ipykernel_launcher", Transport::Ipc),
            ("ipykernel", Transport::Ipc),
            ("bash_kernel", Transport::Tcp),
        ] {
            assert_eq!(
                usual_transport(&["python3".to_owned(), "-m".to_owned(), argument.to_owned()]),
                transport
            );
        }
    }
}
