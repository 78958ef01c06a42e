//! The directories in which Jupyter looks for kernelspecs.
use std::path::{Path, PathBuf};

use super::{
    directories::{Directories, uses_platform_directories},
    environment::{Environment, Platform},
    python::PythonEnvironment,
};

/// The directories that may hold kernelspecs, in the order in which Jupyter searches them.
///
/// They are those of `JUPYTER_PATH`, the user, the Python environment and the system, the environment before the user
/// where Jupyter prefers it, and IPython's old one last (`jupyter_core.paths.jupyter_path`,
/// `jupyter_client.kernelspec.KernelSpecManager.kernel_dirs`).
pub fn search_path(environment: &Environment, python: Option<&PythonEnvironment>) -> Vec<PathBuf> {
    let user = user_directories(environment, python);
    let system = system_directories(environment);
    let of_environment = python.map(|python| python.prefix.join("share/jupyter"));
    // An environment in /usr is the system's: it does not move its directory to the front.
    let of_environment = of_environment.filter(|directory| !system.contains(directory)).into_iter();

    let mut data = environment.paths("JUPYTER_PATH");
    if python.is_some_and(|python| python.comes_before_user(environment)) {
        data.extend(of_environment.chain(user));
    } else {
        data.extend(user.into_iter().chain(of_environment));
    }
    data.extend(system);

    let kernels = data.into_iter().map(|directory| directory.join("kernels"));
    without_repeats(kernels.chain([ipython_directory(environment).join("kernels")]))
}

/// The prefix of the installation that a directory of kernelspecs belongs to: `/usr` of `/usr/share/jupyter/kernels`.
pub(super) fn prefix_of(kernels: &Path) -> Option<&Path> {
    kernels.ends_with("share/jupyter/kernels").then(|| kernels.ancestors().nth(3))?
}

fn user_directories(environment: &Environment, python: Option<&PythonEnvironment>) -> Vec<PathBuf> {
    let mut directories = vec![Directories::of(environment).data];
    if python.is_some_and(|python| python.sees_user_prefix(environment)) {
        let prefix = environment.path("PYTHONUSERBASE").unwrap_or_else(|| environment.home().join(".local"));
        directories.push(prefix.join("share/jupyter"));
    }
    directories
}

fn system_directories(environment: &Environment) -> Vec<PathBuf> {
    if !uses_platform_directories(environment) {
        return vec!["/usr/local/share/jupyter".into(), "/usr/share/jupyter".into()];
    }
    let (name, defaults): (&str, &[&str]) = match environment.platform {
        Platform::Linux => ("jupyter", &["/usr/local/share", "/usr/share"]),
        Platform::MacOs => ("Jupyter", &["/Library/Application Support"]),
    };
    let mut directories = environment.paths("XDG_DATA_DIRS");
    if directories.is_empty() {
        directories = defaults.iter().map(PathBuf::from).collect();
    }
    directories.into_iter().map(|directory| directory.join(name)).collect()
}

fn ipython_directory(environment: &Environment) -> PathBuf {
    let Some(directory) = environment.path("IPYTHONDIR") else { return environment.home().join(".ipython") };
    match directory.strip_prefix("~") {
        Ok(below) => environment.home().join(below),
        Err(_) => directory,
    }
}

fn without_repeats(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    paths.fold(Vec::new(), |mut kept, path| {
        if !kept.contains(&path) {
            kept.push(path);
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// The search path of home `/home/ada` with a Python in `<root>/env`, shown with `ENV` for that directory.
    fn shown(configuration: Option<&str>, variables: &[(&str, &str)]) -> Vec<String> {
        let root = TempDir::new().unwrap();
        let prefix = root.path().canonicalize().unwrap().join("env");
        fs::create_dir_all(prefix.join("bin")).unwrap();
        let executable = prefix.join("bin/python3");
        fs::write(&executable, "\x7fELF").unwrap();
        fs::set_permissions(&executable, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        if let Some(configuration) = configuration {
            fs::write(prefix.join("pyvenv.cfg"), configuration).unwrap();
        }
        let path = prefix.join("bin");
        let variables = variables.iter().copied().chain([("PATH", path.to_str().unwrap())]);
        let mut environment = Environment::new(variables, "/home/ada");
        environment.platform = Platform::Linux;
        let python = PythonEnvironment::find(&environment);
        let directories = search_path(&environment, python.as_ref());
        let text = |path: PathBuf| path.display().to_string().replace(&prefix.display().to_string(), "ENV");
        directories.into_iter().map(text).collect()
    }

    #[test]
    fn user_then_environment_then_system() {
        assert_eq!(
            shown(None, &[]),
            [
                "/home/ada/.local/share/jupyter/kernels",
                "ENV/share/jupyter/kernels",
                "/usr/local/share/jupyter/kernels",
                "/usr/share/jupyter/kernels",
                "/home/ada/.ipython/kernels",
            ]
        );
    }

    #[test]
    fn a_virtual_environment_comes_before_the_user() {
        let order = shown(Some(""), &[]);
        assert_eq!(order[..2], ["ENV/share/jupyter/kernels", "/home/ada/.local/share/jupyter/kernels"]);
        let asked = shown(Some(""), &[("JUPYTER_PREFER_ENV_PATH", "no")]);
        assert_eq!(asked[..2], ["/home/ada/.local/share/jupyter/kernels", "ENV/share/jupyter/kernels"]);
    }

    #[test]
    fn jupyter_path_comes_first() {
        assert_eq!(shown(None, &[("JUPYTER_PATH", "/a:/b/")])[..2], ["/a/kernels", "/b/kernels"]);
    }

    #[test]
    fn a_moved_data_directory_leaves_the_users_python_prefix() {
        let variables = [("JUPYTER_DATA_DIR", "/d"), ("PYTHONUSERBASE", "/u")];
        assert_eq!(shown(None, &variables)[..2], ["/d/kernels", "/u/share/jupyter/kernels"]);
        assert_eq!(shown(Some(""), &variables)[..2], ["ENV/share/jupyter/kernels", "/d/kernels"]);
    }

    #[test]
    fn platform_directories_move_the_systems() {
        let variables = [("JUPYTER_PLATFORM_DIRS", "1"), ("XDG_DATA_DIRS", "/x:/y")];
        assert_eq!(shown(None, &variables)[2..4], ["/x/jupyter/kernels", "/y/jupyter/kernels"]);
    }

    #[test]
    fn ipythons_directory_can_be_moved() {
        assert_eq!(shown(None, &[("IPYTHONDIR", "~/i")]).last().unwrap(), "/home/ada/i/kernels");
    }

    #[test]
    fn without_python_the_user_and_the_system_remain() {
        let mut environment = Environment::new([("PATH", "")], "/home/ada");
        environment.platform = Platform::Linux;
        let directories = search_path(&environment, None);
        assert_eq!(directories.len(), 4);
        assert_eq!(directories[1], Path::new("/usr/local/share/jupyter/kernels"));
    }

    #[test]
    fn the_prefix_of_a_directory() {
        assert_eq!(prefix_of(Path::new("/usr/share/jupyter/kernels")), Some(Path::new("/usr")));
        assert_eq!(prefix_of(Path::new("/home/ada/.ipython/kernels")), None);
    }
}
