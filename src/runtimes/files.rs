//! Files with secrets in them, and the directories that hold them.
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::jupyter::connection_file::{ConnectionFile, ConnectionFileError};

/// Largest connection file that is read, in bytes: real ones have a few hundred.
const LARGEST_CONNECTION_FILE: u64 = 1 << 20;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A file or directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The file is there, but does not hold what it should.
    #[error("the connection file {} {cause}", path.display())]
    ConnectionFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: ConnectionFileError,
    },
    /// A directory for secrets is someone else's.
    #[error("{} must be a directory of this user's alone, but it belongs to user {owner}: remove it, or choose another place", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The id of the user whose it is.
        owner: u32,
    },
}

impl FileError {
    /// Whether the file was whole, and reading it again would change nothing.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::ConnectionFile { cause: ConnectionFileError::Scheme(_), .. })
    }
}

/// Reads a connection file.
///
/// # Errors
/// It cannot be read, or is not a connection file.
pub fn read_connection_file(path: &Path) -> Result<ConnectionFile, FileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_CONNECTION_FILE).read_to_end(&mut bytes))
        .map_err(failed("read", path))?;
    ConnectionFile::parse(&bytes).map_err(|cause| FileError::ConnectionFile { path: path.to_owned(), cause })
}

/// Writes a connection file as [`write_private`] does.
///
/// # Errors
/// It cannot be written.
pub fn write_connection_file(path: &Path, file: &ConnectionFile) -> Result<(), FileError> {
    write_private(path, file.to_json().as_bytes())
}

/// Writes a file that only its owner can read, whole or not at all, even if the machine stops in between.
///
/// # Errors
/// The directory does not exist or cannot be written to, or the disk is full. What was at `path` is then still there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let write = || -> io::Result<()> {
        // Temporary files have mode 0600 from the beginning.
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The rename is durable only with the directory's own sync.
        File::open(directory)?.sync_all()
    };
    write().map_err(failed("write", path))
}

/// Makes a directory and those above it where they are missing, for this user alone (0700); one that exists is left as
/// it is. This is for directories that are shared with other programs, such as Jupyter's own.
///
/// # Errors
/// It cannot be made, or something else than a directory is there.
pub fn create_directory(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create the directory", path))
}

/// Makes a directory for this user alone (0700), or takes others' permissions from the one that is there.
///
/// # Errors
/// It cannot be made, is no directory, or belongs to another user.
pub fn create_private_directory(path: &Path) -> Result<(), FileError> {
    create_directory(path)?;
    let failed = failed("make private", path);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Err(failed(error)),
    };
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(FileError::NotOurs { path: path.to_owned(), owner: metadata.uid() });
    }
    let mode = metadata.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & !OTHERS)).map_err(failed)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |cause| FileError::Io { action, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn connection_file() -> ConnectionFile {
        let json = r#"{"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5, "key": "k"}"#;
        ConnectionFile::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_connection_file_is_private_and_read_again() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("kernel-fleet.json");
        write_connection_file(&path, &connection_file()).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read_connection_file(&path).unwrap(), connection_file());
    }

    #[test]
    fn writing_replaces_the_file_and_its_permissions_and_leaves_nothing_else() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "a longer old content").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_file_and_what_was_tried() {
        let directory = TempDir::new().unwrap();
        let missing = directory.path().join("no/such");
        let text = write_private(&missing, b"").unwrap_err().to_string();
        assert!(text.starts_with(&format!("cannot write {}: ", missing.display())), "{text}");

        let broken = directory.path().join("broken.json");
        fs::write(&broken, "[]").unwrap();
        let text = read_connection_file(&broken).unwrap_err().to_string();
        assert!(text.contains("broken.json is not a JSON object"), "{text}");
    }

    #[test]
    fn a_private_directory_is_made_with_those_above_it() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a/b");
        create_private_directory(&path).unwrap();
        assert_eq!((mode(&directory.path().join("a")), mode(&path)), (0o700, 0o700));
    }

    #[test]
    fn a_directory_that_others_could_enter_is_closed_and_a_shared_one_left() {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1755)).unwrap();
        create_directory(directory.path()).unwrap();
        assert_eq!(mode(directory.path()), 0o1755);
        create_private_directory(directory.path()).unwrap();
        assert_eq!(mode(directory.path()), 0o1700);
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("fleet");
        fs::write(&path, "").unwrap();
        assert!(
            create_private_directory(&path).unwrap_err().to_string().contains("cannot create the directory")
        );
    }
}
