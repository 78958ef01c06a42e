//! The registry: which kernels there are and which clients they have, for people, for `jq`, and for the next `serve`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{error, warn};

use super::{Connected, Entry};
use crate::{
    fleet::{ProcessIdentity, ProcessRecord, seconds_since_epoch},
    id::{EndpointId, KernelId, SessionId},
    route::{RememberedClient, RememberedKernel},
    runtimes::{FileError, Runtime, write_private},
};

/// The form of the file. A `serve` that finds another one sets the file aside.
const VERSION: u32 = 2;

/// What is written in `registry.json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Registry {
    version: u32,
    /// Which run of the machine it was written in.
    boot: Option<String>,
    /// The latest line of the journal that it knows of.
    pub journal: Entry,
    /// The `serve` that wrote it.
    pub serve: Option<ProcessIdentity>,
    /// The kernels, oldest first.
    pub kernels: Vec<KernelRecord>,
    /// Which client has which kernel.
    pub bindings: Vec<BindingRecord>,
    /// The hosts whose connection files are served.
    #[serde(default)]
    pub hosts: Vec<HostRecord>,
}

/// A host's connection file. The key stays in that file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HostRecord {
    /// The file's number among the fleet's endpoints.
    pub endpoint: EndpointId,
    /// The client that all who connect by it are.
    pub client: SessionId,
    /// Where it is.
    pub connection_file: PathBuf,
    /// The process that stands for the host's kernel.
    pub stub: Option<ProcessIdentity>,
    /// The host's own process.
    pub process: Option<ProcessIdentity>,
}

/// The host that a kernel was launched for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LaunchedForRecord {
    /// Its connection file's number among the fleet's endpoints.
    pub endpoint: EndpointId,
    /// What it added to the kernelspec's arguments.
    pub arguments: Vec<String>,
}

/// One kernel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KernelRecord {
    /// What routing knows of it.
    #[serde(flatten)]
    pub remembered: RememberedKernel,
    /// Its process, as soon as one has been started.
    #[serde(flatten)]
    pub process: Option<ProcessRecord>,
    /// The first of its ports, shell's; none where it listens on Unix sockets, or has not said yet.
    pub port: Option<u16>,
    /// `starting`, `up`, `unresponsive`.
    pub status: String,
    /// The sessions of its clients.
    pub clients: Vec<String>,
    /// The routing id under which the kernel knows the `serve` that wrote this, on shell, control and stdin.
    pub identity: Option<String>,
    /// Those under which it knows serves before that, and may still answer to; the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_identities: Vec<String>,
    /// The content of its `kernel_info_reply`.
    pub kernel_info: Option<Value>,
    /// How it was launched, without the variables of its environment.
    pub config: Arc<Runtime>,
    /// For whom, where a host started it. Its environment is never written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched_for: Option<LaunchedForRecord>,
}

/// One client and its kernel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BindingRecord {
    /// Who has which kernel.
    #[serde(flatten)]
    pub remembered: RememberedClient,
    /// The routing id of its sockets, in hexadecimal digits, by which it is known again before it speaks.
    pub identity: Option<String>,
}

impl KernelRecord {
    /// A kernel that lives, and of which nothing else is known.
    pub fn found(remembered: RememberedKernel, process: ProcessRecord, config: Arc<Runtime>) -> Self {
        Self {
            remembered,
            process: Some(process),
            port: None,
            status: "starting".to_owned(),
            clients: Vec::new(),
            identity: None,
            earlier_identities: Vec::new(),
            kernel_info: None,
            config,
            launched_for: None,
        }
    }
}

impl Registry {
    /// The registry of this process, which knows of the journal up to this line.
    pub fn new(
        journal: Entry,
        kernels: Vec<KernelRecord>,
        bindings: Vec<BindingRecord>,
        hosts: Vec<HostRecord>,
    ) -> Self {
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        Self {
            version: VERSION,
            boot: boot(),
            journal,
            serve: ProcessIdentity::of(pid).ok(),
            kernels,
            bindings,
            hosts,
        }
    }

    /// Reads the file of the last `serve`. One that cannot be read is set aside, and said to be: what lives is found
    /// without it, but whose it was is lost.
    pub fn load(path: &Path) -> Option<Self> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                set_aside(path, &error);
                return None;
            }
        };
        let mut registry = parse(&text).inspect_err(|reason| set_aside(path, reason)).ok()?;
        if registry.boot != boot() {
            // No process of then lives now, whoever has its number.
            registry.kernels.clear();
            registry.bindings.clear();
            registry.hosts.clear();
        }
        Some(registry)
    }

    /// Adds what the journal knows and this file does not: clients that were bound as it was being written.
    pub fn add(&mut self, bound: Vec<(Entry, RememberedClient)>) {
        for (_, remembered) in bound.into_iter().filter(|(entry, _)| *entry > self.journal) {
            self.bindings.retain(|known| known.remembered.client != remembered.client);
            self.bindings.push(BindingRecord { remembered, identity: None });
        }
    }

    /// Adds the routing ids of connections that were made as this file was being written.
    pub fn add_connected(&mut self, connected: &BTreeMap<KernelId, Connected>) {
        for kernel in &mut self.kernels {
            let process = kernel.process.as_ref().map(|process| process.identity);
            let latest = connected.get(&kernel.remembered.id);
            if let Some(latest) = latest.filter(|latest| Some(latest.process) == process) {
                kernel.earlier_identities.clone_from(&latest.identities);
                kernel.identity = kernel.earlier_identities.pop();
            }
        }
    }

    /// Whether this is the process of a kernel, as far as the registry knows.
    pub fn knows(&self, kernel: &KernelId, pid: i32) -> bool {
        let of = |record: &&KernelRecord| record.remembered.id == *kernel;
        let process = self.kernels.iter().find(of).and_then(|record| record.process.as_ref());
        process.is_some_and(|process| process.identity.pid == pid)
    }

    /// Writes the file, whole and synced.
    ///
    /// # Errors
    /// It cannot be written; what was there before is still there.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        // A file with nothing in it would be worse than the one that is there.
        let cannot = |error: serde_json::Error| FileError::Io {
            action: "write",
            path: path.to_owned(),
            cause: error.into(),
        };
        write_private(path, &self.text().map_err(cannot)?)
    }

    fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

fn parse(text: &[u8]) -> Result<Registry, String> {
    #[derive(Deserialize)]
    struct Form {
        version: u32,
    }
    let form: Form = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if form.version != VERSION {
        return Err(format!("it has version {}, and this program knows {VERSION}", form.version));
    }
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Which run of which machine this is.
fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// Keeps an unusable file for whoever wants to know what happened to it.
fn set_aside(path: &Path, reason: &dyn std::fmt::Display) {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".unreadable-{}", seconds_since_epoch()));
    let aside = PathBuf::from(name);
    match fs::rename(path, &aside) {
        Ok(()) => warn!(
            "the registry {} cannot be used ({reason}); it is kept as {}. Kernels that live are found without it, but \
             clients lose the kernels that they had: see `jupyter-fleet list` and `jupyter-fleet connect`",
            path.display(),
            aside.display(),
        ),
        Err(problem) => {
            error!("the registry {} cannot be used ({reason}) nor moved: {problem}", path.display())
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::state) mod law;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{ClientId, EndpointId, Origin, SessionId};

    fn registry() -> Registry {
        let id = KernelId::from("1a2b3c4d");
        let kernel = KernelRecord {
            remembered: RememberedKernel {
                id: id.clone(),
                group: Some("team".to_owned()),
                isolated: false,
                pristine: false,
                memory_limit: "512M".parse().ok(),
            },
            process: None,
            port: Some(41_001),
            status: "up".to_owned(),
            clients: vec!["s".to_owned()],
            identity: None,
            earlier_identities: vec!["jupyter-fleet-a".to_owned()],
            kernel_info: Some(serde_json::json!({ "status": "ok" })),
            config: Arc::new(Runtime::builtin_lua()),
            launched_for: None,
        };
        let client = ClientId { endpoint: EndpointId::DEFAULT, session: SessionId::from("s") };
        let origins = vec![Origin::Process { uid: 1, pid: 2 }];
        let binding = BindingRecord {
            remembered: RememberedClient {
                client,
                kernel: id,
                origins,
                visits: Vec::new(),
                standing: None,
                moved: None,
            },
            identity: Some("00ff".to_owned()),
        };
        Registry::new(Entry::NONE, vec![kernel], vec![binding], Vec::new())
    }

    #[test]
    fn what_is_written_is_read() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("registry.json");
        assert_eq!(Registry::load(&path), None);
        registry().save(&path).unwrap();
        assert_eq!(Registry::load(&path), Some(registry()));
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(json["kernels"][0]["id"], "1a2b3c4d");
        assert_eq!(json["kernels"][0]["config"]["language"], "lua");
        assert_eq!(json["bindings"][0]["session"], "s");
    }

    #[test]
    fn a_connection_that_the_file_does_not_know_is_added_to_the_kernel_with_that_process() {
        let mut registry = registry();
        let id = registry.kernels[0].remembered.id.clone();
        let identity = ProcessIdentity { pid: 7, start_time: 1 };
        registry.kernels[0].process = Some(ProcessRecord {
            identity,
            argv: Vec::new(),
            connection_file: PathBuf::new(),
            log: PathBuf::new(),
            started_at: 0,
            enforcement: Default::default(),
        });
        let mut connected = Connected { kernel: id.clone(), process: identity, identities: Vec::new() };
        for (pid, expected) in [(8, (None, "jupyter-fleet-a")), (7, (Some("c"), "b"))] {
            connected.process.pid = pid;
            connected.identities = vec!["b".to_owned(), "c".to_owned()];
            registry.add_connected(&[(id.clone(), connected.clone())].into());
            let kernel = &registry.kernels[0];
            assert_eq!((kernel.identity.as_deref(), kernel.earlier_identities[0].as_str()), expected);
        }
    }

    #[test]
    fn the_variables_of_a_runtime_are_not_written() {
        let mut runtime = Runtime::builtin_lua();
        runtime.launch = crate::runtimes::Launch::Argv {
            argv: vec!["k".to_owned()],
            env: [("OPENAI_API_KEY".to_owned(), "hush".to_owned())].into(),
            cwd: None,
        };
        let mut registry = registry();
        registry.kernels[0].config = Arc::new(runtime);
        assert!(!serde_json::to_string(&registry).unwrap().contains("hush"));
    }

    proptest! {
        #[test]
        fn a_file_cut_short_or_altered_is_set_aside_and_kept(cut in 0..900_usize, byte in any::<u8>()) {
            let home = tempfile::TempDir::new().unwrap();
            let path = home.path().join("registry.json");
            registry().save(&path).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            bytes.truncate(cut.min(bytes.len() - 3));
            bytes.push(byte);
            fs::write(&path, &bytes).unwrap();
            prop_assert_eq!(Registry::load(&path), None);
            let kept: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
            prop_assert_eq!(kept.len(), 1, "the old file, under another name");
            prop_assert_eq!(fs::read(kept[0].as_ref().unwrap().path()).unwrap(), bytes);
        }
    }
}
