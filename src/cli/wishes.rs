//! What can be asked of a kernel, as flags: the keys of the routing metadata.

use clap::Args;
use serde_json::{Map, Value};

use crate::{
    byte_size::ByteSize,
    route::{Requirements, RequirementsError},
    runtime_name::RuntimeName,
};

/// What kind of kernel; without any of these, one of the default runtime.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which kernel")]
pub(super) struct KindArguments {
    /// All that is asked of the kernel, as the object that a message's metadata would hold under `fleet`
    #[arg(long, value_name = "JSON", value_parser = parse_object, conflicts_with_all = [
        "runtime", "language", "providers", "memory_limit", "labels", "group", "debug"])]
    fleet: Option<Map<String, Value>>,
    /// A kernel of this runtime (see `jupyter-fleet runtimes`)
    #[arg(long, value_name = "NAME")]
    runtime: Option<RuntimeName>,
    /// A kernel of this language
    #[arg(long)]
    language: Option<String>,
    /// A kernel with access to this model provider; may be given several times
    #[arg(long = "provider", value_name = "PROVIDER")]
    providers: Vec<String>,
    /// A kernel with an enforced memory limit of at least this much, such as 512M
    #[arg(long, visible_alias = "memory", value_name = "SIZE")]
    memory_limit: Option<ByteSize>,
    /// A kernel with this label; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// A kernel that is shared only within this group
    #[arg(long)]
    group: Option<String>,
    /// A kernel with a debugger
    #[arg(long)]
    debug: bool,
}

/// Which kernel a client gets.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct KernelArguments {
    #[command(flatten)]
    kind: KindArguments,
    /// A kernel that nobody else has
    #[arg(long, conflicts_with = "fleet", help_heading = "Which kernel")]
    isolated: bool,
    /// The kernel with this id
    #[arg(long, value_name = "ID", conflicts_with = "fleet", help_heading = "Which kernel")]
    kernel: Option<String>,
}

impl KernelArguments {
    /// The kernel that is named, to be replaced by its full id.
    pub(super) fn named(&mut self) -> Option<&mut String> {
        self.kernel.as_mut()
    }

    /// The routing metadata, where a fleet can understand it.
    ///
    /// # Errors
    /// It cannot; the text names the key.
    pub(super) fn understood(self) -> Result<Map<String, Value>, RequirementsError> {
        let metadata = self.metadata().unwrap_or_default();
        Requirements::parse(&Value::Object(metadata.clone()).to_string())?;
        Ok(metadata)
    }

    /// The routing metadata; `None` asks for nothing.
    pub(super) fn metadata(self) -> Option<Map<String, Value>> {
        if self.kind.fleet.is_some() {
            return self.kind.fleet;
        }
        let mut metadata = self.kind.metadata();
        let isolated = self.isolated.then_some(Value::Bool(true));
        let asked = [("isolated", isolated), ("kernel", self.kernel.map(Value::from))];
        metadata.extend(asked.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        (!metadata.is_empty()).then_some(metadata)
    }
}

impl KindArguments {
    /// The routing metadata.
    pub(super) fn metadata(self) -> Map<String, Value> {
        if let Some(object) = self.fleet {
            return object;
        }
        let list = |names: Vec<String>| (!names.is_empty()).then(|| Value::from(names));
        let asked = [
            ("runtime", self.runtime.map(|name| name.as_str().into())),
            ("language", self.language.map(Value::from)),
            ("providers", list(self.providers)),
            ("memory_limit", self.memory_limit.map(|size| size.to_string().into())),
            ("labels", list(self.labels)),
            ("group", self.group.map(Value::from)),
            ("debug", self.debug.then_some(Value::Bool(true))),
        ];
        asked.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}
