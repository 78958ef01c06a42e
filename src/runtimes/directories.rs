//! Jupyter's directories of one user.
//!
//! The rules are jupyter_core's (`jupyter_core.paths`).
use std::path::PathBuf;

use super::environment::{Environment, Platform};

/// Where Jupyter keeps one user's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Configuration; `None` if the user wants none to be read (`JUPYTER_NO_CONFIG`).
    pub config: Option<PathBuf>,
    /// Installed things, kernelspecs among them.
    pub data: PathBuf,
    /// Connection files of running kernels.
    pub runtime: PathBuf,
}

impl Directories {
    /// The directories that Jupyter uses in that environment.
    pub fn of(environment: &Environment) -> Self {
        let data = data_directory(environment);
        Self {
            config: config_directory(environment),
            runtime: environment.path("JUPYTER_RUNTIME_DIR").unwrap_or_else(|| data.join("runtime")),
            data,
        }
    }

    /// The fleet's own directory. Its name must not match `*fleet*`: clients that are told `--existing fleet` take the
    /// newest match, and this is not the published file.
    pub fn state(&self) -> PathBuf {
        self.runtime.join(".fleet")
    }
}

/// Whether the user asked for the platform's own conventions (`JUPYTER_PLATFORM_DIRS`).
pub(super) fn uses_platform_directories(environment: &Environment) -> bool {
    environment.switch("JUPYTER_PLATFORM_DIRS").unwrap_or(false)
}

fn config_directory(environment: &Environment) -> Option<PathBuf> {
    if environment.variable("JUPYTER_NO_CONFIG").is_some() {
        return None;
    }
    if let Some(directory) = environment.path("JUPYTER_CONFIG_DIR") {
        return Some(directory);
    }
    Some(match (uses_platform_directories(environment), environment.platform) {
        (false, _) => environment.home().join(".jupyter"),
        (true, Platform::Linux) => xdg(environment, "XDG_CONFIG_HOME", ".config").join("jupyter"),
        (true, Platform::MacOs) => application_support(environment, "XDG_CONFIG_HOME"),
    })
}

fn data_directory(environment: &Environment) -> PathBuf {
    if let Some(directory) = environment.path("JUPYTER_DATA_DIR") {
        return directory;
    }
    match (uses_platform_directories(environment), environment.platform) {
        (_, Platform::Linux) => xdg(environment, "XDG_DATA_HOME", ".local/share").join("jupyter"),
        (false, Platform::MacOs) => environment.home().join("Library/Jupyter"),
        (true, Platform::MacOs) => application_support(environment, "XDG_DATA_HOME"),
    }
}

fn xdg(environment: &Environment, variable: &str, under_home: &str) -> PathBuf {
    environment.path(variable).unwrap_or_else(|| environment.home().join(under_home))
}

fn application_support(environment: &Environment, variable: &str) -> PathBuf {
    xdg(environment, variable, "Library/Application Support").join("Jupyter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(platform: Platform, variables: &[(&str, &str)]) -> [String; 3] {
        let mut environment = Environment::new(variables.iter().copied(), "/home/ada");
        environment.platform = platform;
        let Directories { config, data, runtime } = Directories::of(&environment);
        [config.unwrap_or_default(), data, runtime].map(|path| path.display().to_string())
    }

    #[test]
    fn defaults() {
        assert_eq!(
            directories(Platform::Linux, &[]),
            [
                "/home/ada/.jupyter",
                "/home/ada/.local/share/jupyter",
                "/home/ada/.local/share/jupyter/runtime"
            ]
        );
        assert_eq!(
            directories(Platform::MacOs, &[("XDG_DATA_HOME", "/x")]),
            ["/home/ada/.jupyter", "/home/ada/Library/Jupyter", "/home/ada/Library/Jupyter/runtime"]
        );
    }

    #[test]
    fn each_directory_has_its_variable() {
        let variables =
            [("JUPYTER_CONFIG_DIR", "/c"), ("JUPYTER_DATA_DIR", "/d"), ("JUPYTER_RUNTIME_DIR", "/r")];
        assert_eq!(directories(Platform::Linux, &variables), ["/c", "/d", "/r"]);
        assert_eq!(directories(Platform::Linux, &variables[1..2])[2], "/d/runtime");
    }

    #[test]
    fn xdg_runtime_dir_is_not_used() {
        assert_eq!(
            directories(Platform::Linux, &[("XDG_DATA_HOME", "/x"), ("XDG_RUNTIME_DIR", "/run/user/1")])[1..],
            ["/x/jupyter", "/x/jupyter/runtime"]
        );
    }

    #[test]
    fn platform_directories_are_opted_into() {
        let on = ("JUPYTER_PLATFORM_DIRS", "1");
        assert_eq!(directories(Platform::Linux, &[on])[0], "/home/ada/.config/jupyter");
        assert_eq!(directories(Platform::Linux, &[on, ("XDG_CONFIG_HOME", "/x")])[0], "/x/jupyter");
        assert_eq!(directories(Platform::MacOs, &[on])[1], "/home/ada/Library/Application Support/Jupyter");
        assert_eq!(directories(Platform::Linux, &[("JUPYTER_PLATFORM_DIRS", "0")])[0], "/home/ada/.jupyter");
    }

    #[test]
    fn no_config_means_none() {
        assert_eq!(
            directories(Platform::Linux, &[("JUPYTER_NO_CONFIG", "1"), ("JUPYTER_CONFIG_DIR", "/c")])[0],
            ""
        );
    }
}
