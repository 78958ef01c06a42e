//! Files of kernels that are gone.
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::id::KernelId;

/// How old a file must be: those of a kernel that has just been launched are there before it is known.
const OLD: Duration = Duration::from_secs(60);

/// What a file in the fleet's directory is to a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// How it is reached: of no use without it.
    Connection,
    /// What it has printed: someone may want to know why it is gone.
    Log,
}

/// Removes from the fleet's directory what kernels left behind that are not among the living: connection files, sockets
/// and endpoints; and their logs, but for those of the `most_logs` kernels that wrote last. To be called at the start and
/// from time to time.
///
/// # Errors
/// The directory cannot be read. A file that cannot be removed stays.
pub fn sweep(state: &Path, living: &[KernelId], most_logs: usize) -> io::Result<()> {
    let living: HashSet<&str> = living.iter().map(KernelId::as_str).collect();
    let mut logs: BTreeMap<String, Logs> = BTreeMap::new();
    for entry in fs::read_dir(state)?.flatten() {
        let name = entry.file_name();
        let Some((id, kind)) = name.to_str().and_then(whose) else { continue };
        let Ok(written) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        if living.contains(id) || !is_old(written) {
            continue;
        }
        match kind {
            Kind::Connection => remove(&entry.path()),
            Kind::Log => logs.entry(id.to_owned()).or_default().add(entry.path(), written),
        }
    }
    let mut logs: Vec<Logs> = logs.into_values().collect();
    logs.sort_by_key(|logs| Reverse(logs.written));
    logs.iter().skip(most_logs).flat_map(|logs| &logs.files).for_each(|file| remove(file));
    Ok(())
}

/// The logs of one kernel.
#[derive(Default)]
struct Logs {
    files: Vec<PathBuf>,
    written: Option<SystemTime>,
}

impl Logs {
    fn add(&mut self, file: PathBuf, written: SystemTime) {
        self.files.push(file);
        self.written = self.written.max(Some(written));
    }
}

/// The kernel's id in a file's name, and what the file is to it; `None` for all other files.
fn whose(name: &str) -> Option<(&str, Kind)> {
    let (start, rest) = name.split_once('-')?;
    let (id, suffix) = rest.split_at_checked(8)?;
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let is_socket =
        || suffix.strip_prefix("-ipc-").is_some_and(|n| n.bytes().all(|byte| byte.is_ascii_digit()));
    match (start, suffix) {
        ("kernel" | "endpoint" | "announced", ".json") => Some((id, Kind::Connection)),
        ("kernel", ".log" | ".log.1") => Some((id, Kind::Log)),
        ("kernel", _) if is_socket() => Some((id, Kind::Connection)),
        _ => None,
    }
}

fn is_old(written: SystemTime) -> bool {
    // A time to come is no reason to remove a file.
    SystemTime::now().duration_since(written).is_ok_and(|age| age >= OLD)
}

fn remove(file: &Path) {
    // Another may have been quicker; what stays is tried again.
    let _ = fs::remove_file(file);
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs::File};

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// Makes a file that was written this many minutes ago.
    fn write(state: &TempDir, name: &str, minutes: u64) {
        let file = File::create(state.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes)).unwrap();
    }

    fn names(state: &TempDir) -> BTreeSet<String> {
        let entries = fs::read_dir(state.path()).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_the_living_have_and_what_is_no_kernels_stays() {
        let state = TempDir::new().unwrap();
        let living = KernelId::random();
        let of = |id: &str| {
            [
                "kernel-ID.json",
                "announced-ID.json",
                "kernel-ID-ipc-1",
                "kernel-ID-ipc-5",
                "endpoint-ID.json",
                "kernel-ID.log",
            ]
            .map(|name| name.replace("ID", id))
        };
        let stays =
            ["registry.json", "requests.log", "admin.sock", "kernel-fleet.json", "kernel-0a1b2c3d.txt"];
        for name in of(living.as_str()).iter().chain(&of("0a1b2c3d")).map(String::as_str).chain(stays) {
            write(&state, name, 5);
        }
        write(&state, "kernel-99999999.json", 0);
        sweep(state.path(), std::slice::from_ref(&living), 20).unwrap();
        let expected = of(living.as_str()).into_iter().chain(stays.map(str::to_owned));
        let fresh = ["kernel-99999999.json", "kernel-0a1b2c3d.log"].map(str::to_owned);
        assert_eq!(names(&state), expected.chain(fresh).collect());
    }

    #[test]
    fn the_logs_of_those_that_wrote_last_are_kept() {
        let state = TempDir::new().unwrap();
        for (name, minutes) in [
            ("kernel-00000001.log", 9),
            ("kernel-00000001.log.1", 10),
            ("kernel-00000002.log", 7),
            ("kernel-00000002.log.1", 20),
            ("kernel-00000003.log", 8),
            ("kernel-00000004.log", 30),
        ] {
            write(&state, name, minutes);
        }
        let living = "00000004";
        let living: KernelId = serde_json::from_str(&format!("{living:?}")).unwrap();
        sweep(state.path(), &[living], 2).unwrap();
        let kept =
            ["kernel-00000002.log", "kernel-00000002.log.1", "kernel-00000003.log", "kernel-00000004.log"];
        assert_eq!(names(&state), kept.map(str::to_owned).into());
    }

    proptest! {
        #[test]
        fn no_name_is_taken_for_another(name in any::<String>()) {
            prop_assert!(whose(&name).is_none_or(|(id, _)| name.contains(id) && id.len() == 8));
        }
    }
}
