//! What a kernelspec that leads to a fleet says.
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{
    jupyter::kernelspec::{FLEET_KEY, FleetMark},
    runtimes::Runtime,
};

/// A kernelspec whose kernel is an `attach`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetKernelspec {
    /// What people see.
    pub display_name: String,
    /// The runtime's language.
    pub language: String,
    /// Whether the runtime has a debugger.
    pub debugger: bool,
    /// Which kernels it leads to.
    pub mark: FleetMark,
    /// This program's file, with its whole path.
    pub program: PathBuf,
    /// Whether the fleet is started where none is running.
    pub start: bool,
    /// Whether each notebook has a kernel to itself.
    pub isolated: bool,
    /// A directory with the runtime's logos.
    pub logos: Option<PathBuf>,
}

impl FleetKernelspec {
    /// The kernelspec of a runtime, and of a group within it; `isolated`: each notebook has a kernel to itself.
    pub fn new(runtime: &Runtime, group: Option<&str>, isolated: bool, program: &Path) -> Self {
        let notes = group.into_iter().chain(isolated.then_some("isolated"));
        Self {
            display_name: with_notes(&runtime.display_name, notes),
            language: runtime.language.clone(),
            debugger: runtime.debugger,
            mark: FleetMark { runtime: runtime.name.clone(), group: group.map(str::to_owned) },
            program: program.to_owned(),
            start: false,
            isolated,
            logos: runtime.resource_dir.clone(),
        }
    }

    /// The same, saying which runtime it is: there is another one with the same display name.
    pub fn saying_which(mut self, runtime: &Runtime) -> Self {
        let notes =
            [Some(runtime.name.as_str()), self.mark.group.as_deref(), self.isolated.then_some("isolated")];
        self.display_name = with_notes(&runtime.display_name, notes.into_iter().flatten());
        self
    }

    /// The `kernel.json`: interrupts are messages, for the process is no kernel that a signal could interrupt.
    pub fn to_json(&self) -> Value {
        json!({
            "argv": self.argv(),
            "display_name": self.display_name,
            "language": self.language,
            "interrupt_mode": "message",
            "metadata": self.metadata(),
        })
    }

    fn argv(&self) -> Vec<String> {
        let mut argv = vec![self.program.to_string_lossy().into_owned()];
        argv.extend(["attach", "-f", "{connection_file}", "--runtime"].map(str::to_owned));
        argv.push(self.mark.runtime.to_string());
        // In one word, for a group may begin with a dash.
        argv.extend(self.mark.group.as_ref().map(|group| format!("--group={group}")));
        argv.extend(self.isolated.then(|| "--isolated".to_owned()));
        argv.extend(self.start.then(|| "--start".to_owned()));
        argv
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({ FLEET_KEY: self.mark });
        if self.debugger
            && let Some(object) = metadata.as_object_mut()
        {
            object.insert("debugger".to_owned(), Value::Bool(true));
        }
        metadata
    }
}

/// What display names say of where a kernel comes from, which here is a fleet.
const ORIGINS: [&str; 2] = [" (ipykernel)", " (built in)"];

/// `Python 3 (fleet, team-a)` of `Python 3` and of `Python 3 (ipykernel)`.
fn with_notes<'a>(display_name: &str, notes: impl Iterator<Item = &'a str>) -> String {
    let plain = ORIGINS.iter().find_map(|origin| display_name.strip_suffix(origin));
    let notes: Vec<&str> = ["fleet"].into_iter().chain(notes).collect();
    format!("{} ({})", plain.unwrap_or(display_name), notes.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::jupyter::kernelspec::{InterruptMode, Kernelspec};

    use super::*;

    fn python() -> Runtime {
        Runtime {
            name: "python3".parse().unwrap(),
            display_name: "Python 3 (ipykernel)".to_owned(),
            language: "python".to_owned(),
            debugger: true,
            resource_dir: Some("/kernels/python3".into()),
            ..Runtime::builtin_lua()
        }
    }

    fn read_again(spec: &FleetKernelspec) -> Kernelspec {
        Kernelspec::parse(spec.to_json().to_string().as_bytes()).unwrap()
    }

    #[test]
    fn it_attaches_to_the_runtime_and_says_so() {
        let spec = FleetKernelspec::new(&python(), None, false, Path::new("/bin/jupyter-fleet"));
        let read = read_again(&spec);
        let argv = ["/bin/jupyter-fleet", "attach", "-f", "{connection_file}", "--runtime", "python3"];
        assert_eq!(read.argv, argv);
        assert_eq!((read.display_name.as_str(), read.language.as_str()), ("Python 3 (fleet)", "python"));
        assert_eq!((read.interrupt_mode, read.debugger), (InterruptMode::Message, true));
        assert_eq!(read.fleet, Some(spec.mark.clone()));
        assert!(read.attaches_to_a_fleet());
        assert_eq!(spec.logos.as_deref(), Some(Path::new("/kernels/python3")));
    }

    #[test]
    fn it_says_which_runtime_it_is_where_that_is_wanted() {
        let spec = FleetKernelspec::new(&python(), Some("a"), false, Path::new("/f")).saying_which(&python());
        assert_eq!(spec.display_name, "Python 3 (fleet, python3, a)");
    }

    #[test]
    fn group_and_start_are_handed_on() {
        let spec = FleetKernelspec::new(&Runtime::builtin_lua(), Some("-team a"), true, Path::new("/f"));
        let spec = FleetKernelspec { start: true, ..spec };
        let read = read_again(&spec);
        assert_eq!(read.argv[4..], ["--runtime", "lua", "--group=-team a", "--isolated", "--start"]);
        assert_eq!(read.display_name, "Lua (fleet, -team a, isolated)");
        assert_eq!((read.debugger, read.fleet.unwrap().group.as_deref()), (false, Some("-team a")));
    }
}
