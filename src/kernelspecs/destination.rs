//! Where kernelspecs are installed.
use std::path::{Path, PathBuf};

use crate::runtimes::{Directories, Environment, PythonEnvironment};

/// A place for kernelspecs, as `jupyter kernelspec install` knows them (`jupyter_client.kernelspecapp`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Destination {
    /// This user's own: `kernels` in Jupyter's data directory.
    #[default]
    User,
    /// The Python environment whose `jupyter`, or else `python3`, is first on `PATH`.
    SysPrefix,
    /// An environment or installation, by its prefix.
    Prefix(PathBuf),
}

/// There is no Python environment to install to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "--sys-prefix: there is neither `jupyter` nor `python3` on PATH: use --user, or --prefix with a directory"
)]
pub struct NoPython;

impl Destination {
    /// The directory that holds the kernelspecs' directories.
    ///
    /// # Errors
    /// It is to be that of a Python environment, and there is none.
    pub fn directory(&self, environment: &Environment) -> Result<PathBuf, NoPython> {
        match self {
            Self::User => Ok(Directories::of(environment).data.join("kernels")),
            Self::SysPrefix => {
                let python = PythonEnvironment::find(environment).ok_or(NoPython)?;
                Ok(under(&python.prefix))
            }
            Self::Prefix(prefix) => Ok(under(prefix)),
        }
    }
}

fn under(prefix: &Path) -> PathBuf {
    prefix.join("share/jupyter/kernels")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn each_place_is_jupyters_own() {
        let environment = Environment::new([("JUPYTER_DATA_DIR", "/d"), ("PATH", "")], "/home/ada");
        let directory = |place: Destination| place.directory(&environment);
        assert_eq!(directory(Destination::User).unwrap(), Path::new("/d/kernels"));
        assert_eq!(
            directory(Destination::Prefix("/p".into())).unwrap(),
            Path::new("/p/share/jupyter/kernels")
        );
        assert_eq!(directory(Destination::SysPrefix), Err(NoPython));
    }

    #[test]
    fn the_environment_of_the_first_python_is_taken() {
        let root = TempDir::new().unwrap();
        let prefix = root.path().canonicalize().unwrap();
        let bin = prefix.join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("python3"), "\x7fELF").unwrap();
        fs::set_permissions(bin.join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
        let environment = Environment::new([("PATH", bin.as_os_str())], "/home/ada");
        assert_eq!(
            Destination::SysPrefix.directory(&environment).unwrap(),
            prefix.join("share/jupyter/kernels")
        );
    }
}
