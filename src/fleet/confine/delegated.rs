//! cgroup v2: a subtree that is ours to divide (admin-guide/cgroup-v2, "Delegation").
//!
//! Only a group without processes can give controllers to those in it ("No Internal Process Constraint"), so `serve`
//! moves itself out of its way into a group of its own.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    enforcement::Mechanism,
    group::{Group, write},
    limits::KernelLimits,
};

/// The controllers that hold limits of ours.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// A group that has been divided for the kernels.
#[derive(Debug)]
pub(super) struct Delegated {
    /// Above those of the kernels.
    pub(super) kernels: Group,
    /// The group that this process was in.
    own: PathBuf,
    /// The one that it is in now, if it had to move.
    moved_to: Option<PathBuf>,
    controllers: Vec<&'static str>,
}

impl Delegated {
    /// Divides the group that this process is in; or leaves it as it was.
    ///
    /// # Errors
    /// It cannot be divided, because it has no controllers, belongs to someone else, or holds other processes.
    pub(super) fn divide(own: &Path, name: &str) -> io::Result<Self> {
        let offered = fs::read_to_string(own.join("cgroup.controllers"))?;
        let offered: Vec<&str> = offered.split_whitespace().collect();
        let controllers: Vec<_> = CONTROLLERS.into_iter().filter(|name| offered.contains(name)).collect();
        if !controllers.contains(&"memory") && !controllers.contains(&"pids") {
            return Err(io::Error::other(format!("{} has no memory or pids controller", own.display())));
        }
        let with = |controller| controllers.contains(&controller).then(|| own.join(name));
        let kernels = Group {
            mechanism: Mechanism::CgroupV2,
            memory: with("memory"),
            pids: with("pids"),
            cpu: with("cpu"),
        };
        let mut divided = Self { kernels, own: own.to_owned(), moved_to: None, controllers };
        divided.take(name).inspect_err(|_| divided.give_back())?;
        Ok(divided)
    }

    fn take(&mut self, name: &str) -> io::Result<()> {
        self.kernels.create()?;
        // The root of all groups, and one that is divided already, allow it at once.
        if self.control(&self.own, '+').is_err() {
            let leaf = self.own.join(format!("{name}-serve"));
            fs::create_dir_all(&leaf)?;
            join(&leaf)?;
            self.moved_to = Some(leaf);
            self.control(&self.own, '+')?;
        }
        for directory in self.kernels.directories() {
            self.control(directory, '+')?;
        }
        self.kernels.sweep();
        let trial = self.kernels.child("trial");
        trial.create()?;
        let refused = trial.set(&KernelLimits::trial());
        let _ = trial.remove();
        refused?.map_or(Ok(()), Err)
    }

    /// Undoes the division, unless kernels live on in it.
    pub(super) fn give_back(&self) {
        if self.kernels.remove().is_err() {
            return;
        }
        if let Some(leaf) = &self.moved_to {
            // A group that gives controllers to others takes no process.
            let _ = self.control(&self.own, '-');
            if join(&self.own).is_ok() {
                let _ = fs::remove_dir(leaf);
            }
        }
    }

    /// Gives controllers to the groups in this one, or takes them away.
    fn control(&self, directory: &Path, sign: char) -> io::Result<()> {
        let words: Vec<String> = self.controllers.iter().map(|name| format!("{sign}{name}")).collect();
        write(directory, "cgroup.subtree_control", &words.join(" "))
    }
}

/// Moves this process into a group. 0 is whoever writes it.
fn join(directory: &Path) -> io::Result<()> {
    write(directory, "cgroup.procs", "0")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A directory that looks like a group with these controllers.
    fn group(controllers: &str) -> TempDir {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("cgroup.controllers"), controllers).unwrap();
        directory
    }

    fn text(path: &Path, file: &str) -> String {
        fs::read_to_string(path.join(file)).unwrap()
    }

    #[test]
    fn a_group_is_divided_with_the_controllers_that_it_has() {
        let own = group("cpuset cpu io memory\n");
        let divided = Delegated::divide(own.path(), "fleet").unwrap();
        let kernels = own.path().join("fleet");
        assert_eq!(divided.kernels.directories(), [kernels.as_path()]);
        assert_eq!(divided.kernels.pids, None);
        assert_eq!(text(own.path(), "cgroup.subtree_control"), "+memory +cpu");
        assert_eq!(text(&kernels, "cgroup.subtree_control"), "+memory +cpu");
        assert_eq!(text(&kernels.join("trial"), "memory.max"), "1073741824");
        assert_eq!(text(&kernels.join("trial"), "cpu.max"), "100000 100000");
    }

    #[test]
    fn without_a_controller_nothing_is_touched() {
        let own = group("cpu io\n");
        let error = Delegated::divide(own.path(), "fleet").unwrap_err();
        assert!(error.to_string().contains("no memory or pids controller"), "{error}");
        assert_eq!(fs::read_dir(own.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_refuses_to_be_divided_is_left_as_it_was() {
        let own = group("memory pids\n");
        // In the place of the file, so that it cannot be written.
        fs::create_dir(own.path().join("cgroup.subtree_control")).unwrap();
        let error = Delegated::divide(own.path(), "fleet").unwrap_err();
        assert!(error.to_string().contains("cgroup.subtree_control"), "{error}");
        assert_eq!(text(own.path(), "cgroup.procs"), "0", "serve is back in its own group");
        assert!(!own.path().join("fleet").exists());
    }
}
