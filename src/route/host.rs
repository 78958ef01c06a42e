//! Who a host is: a program that starts a kernel from a kernelspec of the fleet is one client, whatever sessions speak by its
//! connection file.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{
    channel::Channel,
    id::{ClientId, EndpointId, SessionId},
    jupyter::connection_file::ConnectionFile,
};

/// Bytes of the hash that make the name: enough that no other host has it by chance.
const BYTES: usize = 16;

/// The client of the host that wrote this connection file. A host that starts a kernel again with the same file, as it does to
/// restart it, is the same client.
pub fn host_client(path: &Path, file: &ConnectionFile) -> ClientId {
    let mut hash = Sha256::new_with_prefix(b"jupyter-fleet attachment\0");
    for channel in Channel::ALL {
        hash.update(file.ports().of(channel).get().to_be_bytes());
    }
    match &file.key {
        Some(key) => hash.update(key.as_bytes()),
        None => hash.update(path.as_os_str().as_encoded_bytes()),
    }
    let digest = hash.finalize();
    let name = hex::encode(digest.get(..BYTES).unwrap_or_default());
    ClientId { endpoint: EndpointId::of_host(&name), session: SessionId::from(name.as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jupyter::{
        connection_file::{Location, Ports},
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
        ConnectionFile::new(Location::Tcp([127, 0, 0, 1].into()), ports, SecretKey::new(key)).unwrap()
    }

    #[test]
    fn the_same_file_is_the_same_client_wherever_it_lies() {
        let client = host_client(Path::new("a.json"), &file("k", 1));
        assert_eq!(client.session.as_str().len(), 32);
        assert_eq!(client, host_client(Path::new("b.json"), &file("k", 1)));
    }

    #[test]
    fn another_key_or_port_is_another_client() {
        let clients =
            [file("k", 1), file("l", 1), file("k", 9)].map(|file| host_client(Path::new("a"), &file));
        assert!(clients[0] != clients[1] && clients[0] != clients[2]);
        assert_ne!(clients[0].endpoint, clients[1].endpoint);
    }

    #[test]
    fn without_a_key_the_path_tells_two_apart() {
        let client = |path: &str| host_client(Path::new(path), &file("", 1));
        assert_ne!(client("a"), client("b"));
        assert_eq!(client("a"), client("a"));
    }

    #[test]
    fn the_key_cannot_be_read_from_it() {
        assert!(!host_client(Path::new("a"), &file("abcdef", 1)).session.as_str().contains("abcdef"));
    }
}
