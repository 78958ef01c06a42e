//! How llmspell is started.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use tempfile::TempDir;
use tracing::warn;

/// The flags of `llmspell kernel start` that say where it listens, and where it writes that down.
const PORT: &str = "--port";
const CONNECTION_FILE: &str = "--connection-file";
/// The flag that names its config file.
const CONFIG: &str = "--config";

/// The command that starts llmspell, and the connection file that it will write.
#[derive(Debug)]
pub struct Program {
    argv: Vec<String>,
    file: PathBuf,
    /// A directory to run in, where the current one cannot be written to.
    directory: Option<TempDir>,
}

impl Program {
    /// The command `argv`, with `--port 0` and `--connection-file` added where it does not say them.
    ///
    /// llmspell ends if it cannot write to its working directory. Where this process cannot either, it gets another one.
    ///
    /// # Errors
    /// There is no directory to run in.
    pub fn new(argv: Vec<String>, file: PathBuf) -> io::Result<Self> {
        let directory = match access(".", Access::WRITE_OK) {
            Ok(()) => None,
            Err(_) => Some(TempDir::new()?),
        };
        let (mut argv, file) = completed(argv, file);
        if let Some(directory) = &directory {
            argv = with_absolute_config(argv, &std::env::current_dir()?);
            let path = directory.path().display();
            warn!(
                "llmspell writes to its working directory, and this one cannot be written to: it runs in {path}"
            );
        }
        Ok(Self { argv, file, directory })
    }

    /// The command.
    pub(super) fn argv(&self) -> &[String] {
        &self.argv
    }

    /// Where llmspell writes its connection file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Where it runs; `None` is the current directory.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(TempDir::path)
    }
}

fn completed(mut argv: Vec<String>, file: PathBuf) -> (Vec<String>, PathBuf) {
    let file = match value_of(&argv, CONNECTION_FILE) {
        Some(own) => own.into(),
        None => {
            let text = file.to_string_lossy();
            // A shell's script may hold the flag inside a word.
            if !argv.iter().any(|word| word.contains(&*text)) {
                argv.extend([CONNECTION_FILE.to_owned(), text.into_owned()]);
                if value_of(&argv, PORT).is_none() {
                    argv.extend([PORT.to_owned(), "0".to_owned()]);
                }
            }
            return (argv, file);
        }
    };
    if value_of(&argv, PORT).is_none() {
        argv.extend([PORT.to_owned(), "0".to_owned()]);
    }
    (argv, file)
}

/// The value of a flag, written `--flag value` or `--flag=value`.
fn value_of(argv: &[String], flag: &str) -> Option<String> {
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(flag) {
            Some("") => return words.next().cloned(),
            Some(rest) if rest.starts_with('=') => return rest.get(1..).map(str::to_owned),
            _ => {}
        }
    }
    None
}

fn with_absolute_config(argv: Vec<String>, here: &Path) -> Vec<String> {
    let mut is_config = false;
    let absolute = |word: String| {
        let after_flag = std::mem::replace(&mut is_config, word == CONFIG);
        match word.strip_prefix("--config=") {
            Some(path) => format!("{CONFIG}={}", here.join(path).display()),
            None if after_flag => here.join(word).display().to_string(),
            None => word,
        }
    };
    argv.into_iter().map(absolute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        shlex::split(line).unwrap()
    }

    #[test]
    fn what_the_command_does_not_say_is_added() {
        for (written, started, file) in [
            ("llmspell kernel start", "llmspell kernel start --connection-file /k.json --port 0", "/k.json"),
            (
                "llmspell kernel start --port 0 --connection-file /k.json --id a",
                "llmspell kernel start --port 0 --connection-file /k.json --id a",
                "/k.json",
            ),
            (
                "llmspell kernel start --connection-file=own.json",
                "llmspell kernel start --connection-file=own.json --port 0",
                "own.json",
            ),
            (
                "llmspell kernel start --port=9555",
                "llmspell kernel start --port=9555 --connection-file /k.json",
                "/k.json",
            ),
            (
                "sh -c 'exec llmspell kernel start --port 0 --connection-file /k.json'",
                "sh -c 'exec llmspell kernel start --port 0 --connection-file /k.json'",
                "/k.json",
            ),
        ] {
            let expected = (words(started), PathBuf::from(file));
            assert_eq!(completed(words(written), "/k.json".into()), expected, "{written}");
        }
    }

    #[test]
    fn a_config_is_found_from_another_directory() {
        let here = Path::new("/work");
        let absolute = |line| with_absolute_config(words(line), here);
        assert_eq!(absolute("l --config a.toml --id b"), words("l --config /work/a.toml --id b"));
        assert_eq!(absolute("l --config=a.toml"), words("l --config=/work/a.toml"));
        assert_eq!(absolute("l --config /etc/a.toml"), words("l --config /etc/a.toml"));
    }
}
