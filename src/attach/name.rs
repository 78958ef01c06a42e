//! Who an attachment is to the fleet: the same for each process that serves the same connection file.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{channel::Channel, jupyter::connection_file::ConnectionFile};

/// Bytes of the hash that make the name: enough that nobody has it by chance.
const BYTES: usize = 16;

/// The client's name and its routing id: 32 hexadecimal digits. A host that starts us again with the same connection
/// file, as it does to restart a kernel, is the same client, with the same kernel.
pub(super) fn client_name(path: &Path, file: &ConnectionFile) -> String {
    let mut hash = Sha256::new_with_prefix(b"jupyter-fleet attachment\0");
    for channel in Channel::ALL {
        hash.update(file.ports().of(channel).get().to_be_bytes());
    }
    match &file.key {
        Some(key) => hash.update(key.as_bytes()),
        None => hash.update(path.as_os_str().as_encoded_bytes()),
    }
    let digest = hash.finalize();
    hex::encode(digest.get(..BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jupyter::{
        connection_file::{Address, Ports},
        scheme::SecretKey,
    };

    fn file(key: &str, shell: u16) -> ConnectionFile {
        let port = |number: u16| number.try_into().unwrap();
        let ports = Ports {
            shell: port(shell),
            iopub: port(2),
            stdin: port(3),
            control: port(4),
            heartbeat: port(5),
        };
        ConnectionFile::new(Address::Tcp([127, 0, 0, 1].into()), ports, SecretKey::new(key)).unwrap()
    }

    #[test]
    fn the_same_file_is_the_same_client_wherever_it_lies() {
        let name = client_name(Path::new("a.json"), &file("k", 1));
        assert_eq!(name.len(), 32);
        assert_eq!(name, client_name(Path::new("b.json"), &file("k", 1)));
    }

    #[test]
    fn another_key_or_port_is_another_client() {
        let names = [file("k", 1), file("l", 1), file("k", 9)].map(|file| client_name(Path::new("a"), &file));
        assert!(names[0] != names[1] && names[0] != names[2]);
    }

    #[test]
    fn without_a_key_the_path_tells_two_apart() {
        let name = |path: &str| client_name(Path::new(path), &file("", 1));
        assert_ne!(name("a"), name("b"));
        assert_eq!(name("a"), name("a"));
    }

    #[test]
    fn the_key_cannot_be_read_from_it() {
        assert!(!client_name(Path::new("a"), &file("abcdef", 1)).contains("abcdef"));
    }
}
