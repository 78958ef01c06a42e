//! What is installed: which kernelspecs lead to a fleet.
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    jupyter::kernelspec::{FleetMark, Kernelspec},
    runtimes::{Environment, PythonEnvironment, kernelspecs_in, read_kernelspec, search_path},
};

use super::KernelspecName;

/// A kernelspec's directory, as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledKernelspec {
    /// Its name, in lower case.
    pub name: KernelspecName,
    /// Its directory.
    pub path: PathBuf,
    /// What it says; `None` if that cannot be read.
    pub spec: Option<Kernelspec>,
}

impl InstalledKernelspec {
    /// Where it leads, if jupyter-fleet has written it.
    pub fn mark(&self) -> Option<&FleetMark> {
        self.spec.as_ref()?.fleet.as_ref()
    }
}

/// Every kernelspec that Jupyter finds, of whomever; the first of a name counts.
pub fn installed(environment: &Environment) -> Vec<InstalledKernelspec> {
    let python = PythonEnvironment::find(environment);
    let directories = search_path(environment, python.as_ref());
    let mut seen = BTreeSet::new();
    let all = directories.iter().flat_map(|directory| installed_in(directory));
    all.filter(|one| seen.insert(one.name.clone())).collect()
}

/// Every kernelspec in one directory, of whomever.
pub fn installed_in(directory: &Path) -> Vec<InstalledKernelspec> {
    kernelspecs_in(directory).into_iter().filter_map(found).collect()
}

fn found(path: PathBuf) -> Option<InstalledKernelspec> {
    let name = path.file_name()?.to_str()?.parse().ok()?;
    let spec = read_kernelspec(&path).ok();
    Some(InstalledKernelspec { name, path, spec })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn ours_are_told_from_others_and_from_broken_ones() {
        let root = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(root.path().join(name)).unwrap();
            fs::write(root.path().join(name).join("kernel.json"), text).unwrap();
        };
        let spec = r#"{"argv": ["k"], "display_name": "K", "language": "k", "metadata": {"fleet": {"runtime": "ir"}}}"#;
        write("Ours", spec);
        write("other", &spec.replace("fleet", "navy"));
        write("broken", "{");
        write("not a name", spec);
        let all = installed_in(root.path());
        let marks: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.mark().is_some())).collect();
        assert_eq!(marks, [("ours", true), ("broken", false), ("other", false)]);
    }
}
