//! The kernelspec: how an installed kernel is started (`kernel.json`).
//!
//! Source: jupyter_client's documentation, "Making kernels for Jupyter", section "Kernel specs".
use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

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
    /// The name that people see; empty if it says none.
    pub display_name: String,
    /// The language, as notebooks record it: `python`, `R`; empty if it says none.
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
    /// Not a JSON object.
    #[error("is not a kernelspec: {0}")]
    NotAKernelspec(serde_json::Error),
    /// A key has a value of another type.
    #[error("has a {key:?} that cannot be used: {cause}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it is, and what it must be.
        cause: serde_json::Error,
    },
    /// There is no command to run.
    #[error("has no \"argv\", or an empty one, so there is nothing to start")]
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
    /// It is not JSON, has no command, or has a value that no kernel could be started with.
    pub fn parse(bytes: &[u8]) -> Result<Self, KernelspecError> {
        // Of a key that is there twice, the last counts, as in Python.
        let mut spec: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(KernelspecError::NotAKernelspec)?;
        let argv: Vec<String> = take(&mut spec, "argv")?;
        if argv.is_empty() {
            return Err(KernelspecError::EmptyArgv);
        }
        let metadata: Map<String, Value> = take(&mut spec, "metadata")?;
        let interrupt_mode: String = take(&mut spec, "interrupt_mode")?;
        Ok(Self {
            debugger: metadata.get("debugger").and_then(Value::as_bool).unwrap_or(false),
            provisioner: metadata.get("kernel_provisioner").and_then(foreign_provisioner),
            fleet: metadata.get(FLEET_KEY).and_then(|mark| FleetMark::deserialize(mark).ok()),
            interrupt_mode: parse_interrupt_mode(interrupt_mode)?,
            argv,
            display_name: take(&mut spec, "display_name")?,
            language: take(&mut spec, "language")?,
            env: take(&mut spec, "env")?,
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

fn parse_interrupt_mode(found: String) -> Result<InterruptMode, KernelspecError> {
    match found.to_ascii_lowercase().as_str() {
        "" | "signal" => Ok(InterruptMode::Signal),
        "message" => Ok(InterruptMode::Message),
        _ => Err(KernelspecError::UnknownInterruptMode { found }),
    }
}

/// The value of a key; an empty one if it is absent or null, for jupyter_client needs none but `argv`, to start the kernel.
fn take<T: DeserializeOwned + Default>(
    spec: &mut Map<String, Value>,
    key: &'static str,
) -> Result<T, KernelspecError> {
    let value: Option<T> = spec
        .remove(key)
        .map_or(Ok(None), Deserialize::deserialize)
        .map_err(|cause| KernelspecError::WrongType { key, cause })?;
    Ok(value.unwrap_or_default())
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
    fn a_command_is_enough_and_null_is_as_good_as_nothing() {
        let bare = parse(&json!({"argv": ["ark"]})).unwrap();
        let nulls = json!({"argv": ["ark"], "display_name": null, "language": null, "env": null,
            "interrupt_mode": null, "metadata": null});
        assert_eq!(parse(&nulls).unwrap(), bare);
        assert_eq!((bare.display_name.as_str(), bare.language.as_str()), ("", ""));
        assert_eq!((bare.interrupt_mode, bare.debugger), (InterruptMode::Signal, false));
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_counts() {
        let spec = Kernelspec::parse(br#"{"argv": ["a"], "argv": ["b"], "language": "x"}"#).unwrap();
        assert_eq!(spec.argv, ["b"]);
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
        for (value, key) in [
            (json!([]), "expected a map"),
            (json!({"display_name": "x"}), "\"argv\""),
            (smallest_with("argv", json!([])), "\"argv\""),
            (smallest_with("argv", json!("ark")), "\"argv\" that cannot be used"),
            (smallest_with("argv", json!(["ark", 1])), "\"argv\" that cannot be used"),
            (smallest_with("language", json!(7)), "\"language\" that cannot be used"),
            (smallest_with("env", json!({"A": 1})), "\"env\" that cannot be used"),
            (smallest_with("metadata", json!("x")), "\"metadata\" that cannot be used"),
            (smallest_with("interrupt_mode", json!("shout")), "shout"),
        ] {
            let text = parse(&value).unwrap_err().to_string();
            assert!(text.contains(key), "{text}");
        }
    }
}
