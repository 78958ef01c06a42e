//! Removes a kernelspec's directory.
use std::fs;

use super::{InstalledKernelspec, KernelspecError, install::failed};

/// Removes a kernelspec that jupyter-fleet has written. Of one that is a link, only the link.
///
/// # Errors
/// It is somebody else's, or cannot be removed.
pub fn remove(kernelspec: &InstalledKernelspec) -> Result<(), KernelspecError> {
    let InstalledKernelspec { name, path, .. } = kernelspec;
    if kernelspec.mark().is_none() {
        return Err(KernelspecError::NotOurs { name: name.clone(), path: path.clone() });
    }
    fs::remove_dir_all(path).map_err(failed("remove", path))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, path::Path};

    use tempfile::TempDir;

    use crate::{
        kernelspecs::{FleetKernelspec, install, installed_in},
        runtimes::Runtime,
    };

    use super::*;

    #[test]
    fn ours_goes_and_theirs_stays() {
        let root = TempDir::new().unwrap();
        let spec = FleetKernelspec::new(&Runtime::builtin_lua(), None, false, Path::new("/f"));
        install(&spec, &"ours".parse().unwrap(), root.path()).unwrap();
        fs::create_dir(root.path().join("theirs")).unwrap();
        fs::write(root.path().join("theirs/kernel.json"), "{}").unwrap();

        let ended: Vec<_> = installed_in(root.path()).iter().map(remove).collect();
        assert!(ended[0].is_ok() && !root.path().join("ours").exists());
        let refusal = ended[1].as_ref().unwrap_err().to_string();
        assert!(refusal.contains("jupyter-fleet has not written"), "{refusal}");
        assert!(root.path().join("theirs/kernel.json").exists());
    }

    #[test]
    fn of_a_link_only_the_link_goes() {
        let root = TempDir::new().unwrap();
        let spec = FleetKernelspec::new(&Runtime::builtin_lua(), None, false, Path::new("/f"));
        let path = install(&spec, &"ours".parse().unwrap(), &root.path().join("elsewhere")).unwrap();
        let kernels = root.path().join("kernels");
        fs::create_dir(&kernels).unwrap();
        symlink(&path, kernels.join("linked")).unwrap();
        installed_in(&kernels).iter().for_each(|linked| remove(linked).unwrap());
        assert!(!kernels.join("linked").exists() && path.join("kernel.json").exists());
    }
}
