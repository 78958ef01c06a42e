//! What of a process's surroundings decides where Jupyter's files are.
use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// Values of a variable that Jupyter reads as "no" (jupyter_core, `envset`).
const NO: [&str; 6] = ["no", "n", "false", "off", "0", "0.0"];

/// The environment variables, home directory, user and platform that paths depend on.
///
/// It is passed in, so that what depends on it can be tested with any.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    home: PathBuf,
    /// The platform whose conventions apply.
    pub platform: Platform,
    /// The effective user: what it owns is its own environment.
    pub user: u32,
}

/// Platforms whose directories differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux and other Unix systems that follow XDG.
    Linux,
    /// macOS.
    MacOs,
}

/// The system knows no home directory of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this user has no home directory, so Jupyter's directories cannot be found: set HOME")]
pub struct NoHome;

impl Environment {
    /// The environment of this process.
    ///
    /// # Errors
    /// The user has no home directory.
    pub fn of_this_process() -> Result<Self, NoHome> {
        let home = env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or(NoHome)?;
        Ok(Self::new(env::vars_os(), home.canonicalize().unwrap_or(home)))
    }

    /// An environment of just these variables and this home directory, on this platform and as this user.
    pub fn new<K: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (K, V)>,
        home: impl Into<PathBuf>,
    ) -> Self {
        Self {
            variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            home: home.into(),
            platform: if cfg!(target_os = "macos") { Platform::MacOs } else { Platform::Linux },
            user: rustix::process::geteuid().as_raw(),
        }
    }

    /// The user's home directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// All variables, to start a program with.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// A variable that is set to something; an empty one counts as not set.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable that holds a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from)
    }

    /// A variable that holds several paths, without empty ones.
    pub fn paths(&self, name: &str) -> Vec<PathBuf> {
        let joined = self.variable(name).unwrap_or_default();
        env::split_paths(joined).filter(|path| !path.as_os_str().is_empty()).collect()
    }

    /// Whether a variable says yes or no; `None` if it is not there. Anything that is not a word for no is a yes.
    pub fn switch(&self, name: &str) -> Option<bool> {
        let value = self.variables.get(OsStr::new(name))?;
        Some(!NO.iter().any(|word| value.eq_ignore_ascii_case(word)))
    }

    /// The programs of that name on `PATH`, first one first.
    pub fn programs(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        // The working directory only matters for names with a slash in them, and these are none.
        which::which_in_all(name.to_owned(), self.variable("PATH").map(OsStr::to_owned), "/")
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Environment {
        Environment::new([(name, value)], "/home/ada")
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        assert_eq!(with("JUPYTER_DATA_DIR", "").path("JUPYTER_DATA_DIR"), None);
        assert_eq!(with("JUPYTER_DATA_DIR", "/d").path("JUPYTER_DATA_DIR"), Some("/d".into()));
    }

    #[test]
    fn a_switch_is_on_unless_it_says_no() {
        for (value, on) in
            [("1", true), ("yes", true), ("", true), ("0", false), ("False", false), ("OFF", false)]
        {
            assert_eq!(with("X", value).switch("X"), Some(on), "{value:?}");
        }
        assert_eq!(with("X", "1").switch("Y"), None);
    }

    #[test]
    fn several_paths_are_split_without_empty_ones() {
        assert_eq!(with("P", "/a::/b").paths("P"), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert!(with("P", "").paths("P").is_empty());
    }
}
