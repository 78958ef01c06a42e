//! The Python environment whose kernels `jupyter` would list.
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use super::{
    environment::Environment,
    shim::{is_python, is_shim, python_behind},
};

/// Longest first line of a script that is read: the kernel of Linux reads 256 bytes of one itself.
const LONGEST_SHEBANG: u64 = 512;

/// A Python installation or virtual environment.
///
/// It is found from files alone. Only a shim is started, for nobody else knows which Python it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEnvironment {
    /// What Python calls `sys.prefix`: kernelspecs are in `share/jupyter/kernels` below it.
    pub prefix: PathBuf,
    /// What Python calls `sys.executable`.
    pub executable: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Made by venv or virtualenv (PEP 405: it has a `pyvenv.cfg`).
    Virtual {
        sees_system_packages: bool,
    },
    Installation,
}

impl PythonEnvironment {
    /// The environment of the first `jupyter` on `PATH`, else of the first `python3` or `python`.
    pub fn find(environment: &Environment) -> Option<Self> {
        let of_jupyter =
            environment.programs("jupyter").filter_map(|script| interpreter_of(&script, environment));
        let pythons = ["python3", "python"].into_iter().flat_map(|name| environment.programs(name));
        of_jupyter.chain(pythons).find_map(|program| Self::of_program(program, environment))
    }

    fn of_program(program: PathBuf, environment: &Environment) -> Option<Self> {
        if is_shim(&program) {
            return Self::of_executable(python_behind(&program, environment)?);
        }
        Self::of_executable(program)
    }

    fn of_executable(executable: PathBuf) -> Option<Self> {
        // A virtual environment's python is a link to the installation's: look beside the link before following it.
        let prefix = executable.parent()?.parent()?;
        if let Ok(configuration) = fs::read_to_string(prefix.join("pyvenv.cfg")) {
            let kind = Kind::Virtual { sees_system_packages: sees_system_packages(&configuration) };
            return Some(Self { prefix: prefix.to_owned(), executable, kind });
        }
        let prefix = executable.canonicalize().ok()?.parent()?.parent()?.to_owned();
        Some(Self { prefix, executable, kind: Kind::Installation })
    }

    /// Whether its kernelspecs come before the user's: `JUPYTER_PREFER_ENV_PATH` if that is set, else for virtual
    /// environments, and for conda environments other than the base, that this user owns.
    pub(super) fn comes_before_user(&self, environment: &Environment) -> bool {
        if let Some(preferred) = environment.switch("JUPYTER_PREFER_ENV_PATH") {
            return preferred;
        }
        let separate = matches!(self.kind, Kind::Virtual { .. }) || self.is_activated_conda(environment);
        separate && fs::metadata(&self.prefix).is_ok_and(|metadata| metadata.uid() == environment.user)
    }

    /// Whether Python also looks for packages, and Jupyter for kernelspecs, in the user's own prefix (PEP 370).
    pub(super) fn sees_user_prefix(&self, environment: &Environment) -> bool {
        let isolated = matches!(self.kind, Kind::Virtual { sees_system_packages: false });
        !isolated && environment.variable("PYTHONNOUSERSITE").is_none()
    }

    fn is_activated_conda(&self, environment: &Environment) -> bool {
        let inside =
            |conda: PathBuf| self.prefix.as_os_str().as_bytes().starts_with(conda.as_os_str().as_bytes());
        environment.path("CONDA_PREFIX").is_some_and(inside)
            && environment.variable("CONDA_DEFAULT_ENV").is_some_and(|name| name != "base")
    }
}

/// The Python that runs `jupyter`: the one that its first line names, else one in the same directory.
fn interpreter_of(script: &Path, environment: &Environment) -> Option<PathBuf> {
    let named = shebang(script).and_then(|line| named_interpreter(&line, environment));
    named.or_else(|| python_in(script.canonicalize().ok()?.parent()?))
}

fn named_interpreter(line: &str, environment: &Environment) -> Option<PathBuf> {
    let mut words = line.split_whitespace();
    let program = Path::new(words.next()?);
    if is_python(program) {
        return program.is_file().then(|| program.to_owned());
    }
    let name = words.next().filter(|name| program.ends_with("env") && is_python(Path::new(name)))?;
    environment.programs(name).next()
}

fn python_in(directory: &Path) -> Option<PathBuf> {
    ["python3", "python"].map(|name| directory.join(name)).into_iter().find(|path| path.is_file())
}

/// The first line of a script, without its `#!`.
fn shebang(path: &Path) -> Option<String> {
    let mut line = Vec::new();
    BufReader::new(File::open(path).ok()?.take(LONGEST_SHEBANG)).read_until(b'\n', &mut line).ok()?;
    String::from_utf8(line).ok()?.strip_prefix("#!").map(str::to_owned)
}

fn sees_system_packages(configuration: &str) -> bool {
    let mut settings = configuration.lines().filter_map(|line| line.split_once('='));
    settings.any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("include-system-site-packages")
            && value.trim().eq_ignore_ascii_case("true")
    })
}

#[cfg(test)]
mod tests;
