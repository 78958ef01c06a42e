//! The kernelspec: how an installed kernel is started (`kernel.json`).
//!
//! Source: jupyter_client's documentation, "Making kernels for Jupyter", section "Kernel specs".
use std::{collections::BTreeMap, path::Path};

use jupyter_protocol::JupyterKernelspec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::runtime_name::RuntimeName;

/// The key of a kernelspec's metadata that says that jupyter-fleet has written it.
pub const FLEET_KEY: &str = "fleet";

/// What this program is called where it is installed.
const PROGRAM: &str = "jupyter-fleet";

/// Jupyter's name for starting a kernel as a local process, which is also what happens without any name.
const LOCAL_PROVISIONER: &str = "local-provisioner";

/// What a `kernel.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernelspec {
    /// The command, never empty, with its placeholders in it (see [`super::placeholder`]).
    pub argv: Vec<String>,
    /// The name that people see.
    pub display_name: String,
    /// The language, as notebooks record it: `python`, `R`.
    pub language: String,
    /// Variables to add to the kernel's environment, with references to other variables in it.
    pub env: BTreeMap<String, String>,
    /// How the kernel is interrupted.
    pub interrupt_mode: InterruptMode,
    /// Whether the kernel has a debugger (`metadata.debugger`, JEP 47).
    pub debugger: bool,
    /// The provisioner that must start the kernel, if it is not the local one (`metadata.kernel_provisioner`).
    pub provisioner: Option<String>,
    /// What jupyter-fleet has noted in a kernelspec of its own (`metadata.fleet`).
    pub fleet: Option<FleetMark>,
}

/// Which kernels of a fleet a kernelspec leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetMark {
    /// The runtime of its kernels.
    pub runtime: RuntimeName,
    /// The group that shares them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// How a kernel is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InterruptMode {
    /// SIGINT to its process group.
    #[default]
    Signal,
    /// An `interrupt_request` on its control channel.
    Message,
}

/// Why a `kernel.json` cannot be used. The text goes after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum KernelspecError {
    /// Not JSON, or a key is missing or of the wrong type.
    #[error("is not a kernelspec: {0}")]
    NotAKernelspec(serde_json::Error),
    /// There is no command to run.
    #[error("has an empty \"argv\", so there is nothing to start")]
    EmptyArgv,
    /// `interrupt_mode` is unknown.
    #[error("\"interrupt_mode\" is {found:?}, but only \"signal\" and \"message\" are known")]
    UnknownInterruptMode {
        /// The text that was found.
        found: String,
    },
}

impl Kernelspec {
    /// Reads the bytes of a `kernel.json`.
    ///
    /// # Errors
    /// It is not JSON, lacks `display_name` or `language`, or has a value that no kernel could be started with.
    pub fn parse(bytes: &[u8]) -> Result<Self, KernelspecError> {
        let spec: JupyterKernelspec =
            serde_json::from_slice(bytes).map_err(KernelspecError::NotAKernelspec)?;
        if spec.argv.is_empty() {
            return Err(KernelspecError::EmptyArgv);
        }
        let metadata = |key: &str| spec.metadata.as_ref().and_then(|metadata| metadata.get(key));
        Ok(Self {
            debugger: metadata("debugger").and_then(Value::as_bool).unwrap_or(false),
            provisioner: metadata("kernel_provisioner").and_then(foreign_provisioner),
            fleet: metadata(FLEET_KEY).and_then(|mark| FleetMark::deserialize(mark).ok()),
            interrupt_mode: parse_interrupt_mode(spec.interrupt_mode.as_deref())?,
            argv: spec.argv,
            display_name: spec.display_name,
            language: spec.language,
            env: spec.env.unwrap_or_default().into_iter().collect(),
        })
    }

    /// Whether its kernels are not to be launched by a fleet, for they are one's own clients: `jupyter-fleet attach`.
    pub fn attaches_to_a_fleet(&self) -> bool {
        let is_ours = |argument: &String| Path::new(argument).file_name().is_some_and(|name| name == PROGRAM);
        let mut behind = self.argv.iter().skip_while(|argument| !is_ours(argument)).skip(1);
        self.fleet.is_some() || behind.any(|argument| argument == "attach")
    }
}

fn foreign_provisioner(stanza: &Value) -> Option<String> {
    let name = stanza.get("provisioner_name")?.as_str()?;
    (name != LOCAL_PROVISIONER).then(|| name.to_owned())
}

fn parse_interrupt_mode(text: Option<&str>) -> Result<InterruptMode, KernelspecError> {
    match text {
        None => Ok(InterruptMode::default()),
        Some(text) if text.eq_ignore_ascii_case("signal") => Ok(InterruptMode::Signal),
        Some(text) if text.eq_ignore_ascii_case("message") => Ok(InterruptMode::Message),
        Some(text) => Err(KernelspecError::UnknownInterruptMode { found: text.to_owned() }),
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::jupyter) mod law;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<Kernelspec, KernelspecError> {
        Kernelspec::parse(value.to_string().as_bytes())
    }

    fn smallest() -> Value {
        json!({"argv": ["ark", "{connection_file}"], "display_name": "Ark R", "language": "R"})
    }

    fn smallest_with(field: &str, value: Value) -> Value {
        let mut spec = smallest();
        spec[field] = value;
        spec
    }

    #[test]
    fn the_smallest_kernelspec() {
        let spec = parse(&smallest()).unwrap();
        assert_eq!(spec.argv, ["ark", "{connection_file}"]);
        assert_eq!((spec.display_name.as_str(), spec.language.as_str()), ("Ark R", "R"));
        assert_eq!((spec.interrupt_mode, spec.debugger), (InterruptMode::Signal, false));
    }

    #[test]
    fn the_optional_keys() {
        let mut value =
            smallest_with("metadata", json!({"debugger": true, "supported_encryption": ["curve"]}));
        value["interrupt_mode"] = json!("Message");
        value["env"] = json!({"A": "1"});
        value["kernel_protocol_version"] = json!("5.5");
        let spec = parse(&value).unwrap();
        assert_eq!((spec.interrupt_mode, spec.debugger), (InterruptMode::Message, true));
        assert_eq!(spec.env["A"], "1");
    }

    #[test]
    fn a_provisioner_other_than_the_local_one_is_told() {
        for (name, foreign) in
            [("k8s-provisioner", Some("k8s-provisioner".to_owned())), (LOCAL_PROVISIONER, None)]
        {
            let metadata = json!({"kernel_provisioner": {"provisioner_name": name}});
            assert_eq!(parse(&smallest_with("metadata", metadata)).unwrap().provisioner, foreign);
        }
    }

    #[test]
    fn what_jupyter_fleet_wrote_is_known_by_its_mark_or_its_command() {
        let mark = json!({"fleet": {"runtime": "python3", "group": "team-a"}});
        let marked = parse(&smallest_with("metadata", mark)).unwrap();
        assert_eq!(marked.fleet.as_ref().unwrap().runtime.as_str(), "python3");
        assert_eq!(marked.fleet.as_ref().unwrap().group.as_deref(), Some("team-a"));
        assert!(marked.attaches_to_a_fleet());
        for (argv, attaches) in [
            (vec!["/opt/jupyter-fleet", "attach", "-f", "{connection_file}"], true),
            (vec!["env", "A=b", "jupyter-fleet", "--log", "debug", "attach"], true),
            (vec!["jupyter-fleet", "lua-kernel", "-f", "{connection_file}"], false),
            (vec!["attach", "jupyter-fleet"], false),
        ] {
            let spec = parse(&smallest_with("argv", json!(argv))).unwrap();
            assert_eq!((spec.attaches_to_a_fleet(), spec.fleet), (attaches, None), "{argv:?}");
        }
        let foreign = parse(&smallest_with("metadata", json!({"fleet": "of ships"}))).unwrap();
        assert_eq!((foreign.attaches_to_a_fleet(), foreign.fleet), (false, None));
    }

    #[test]
    fn errors_name_the_key() {
        let mut nameless = smallest();
        nameless.as_object_mut().unwrap().remove("language");
        for (value, key) in [
            (nameless, "language"),
            (smallest_with("argv", json!([])), "argv"),
            (smallest_with("interrupt_mode", json!("shout")), "shout"),
        ] {
            let text = parse(&value).unwrap_err().to_string();
            assert!(text.contains(key), "{text}");
        }
    }
}
