//! Where a channel is bound: a TCP address or a socket in the file system.
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// The `transport` of a connection file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// `tcp`: an IP address and five ports.
    #[default]
    Tcp,
    /// `ipc`: a path prefix and five suffixes, each a Unix socket.
    Ipc,
}

impl Transport {
    /// The name that connection files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        match name {
            "tcp" => Ok(Self::Tcp),
            "ipc" => Ok(Self::Ipc),
            _ => Err(UnknownTransport { found: name.to_owned() }),
        }
    }
}

/// A `transport` that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the transport {found:?} is not known: use \"tcp\" or \"ipc\"")]
pub struct UnknownTransport {
    /// The name that was given.
    pub found: String,
}

/// The place of one channel, to bind or to dial. Displays as ZeroMQ writes it: `tcp://…` or `ipc://…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Ipc(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::Ipc(path) => write!(formatter, "ipc://{}", path.display()),
        }
    }
}

/// Reads the `ip` of a TCP connection file or of `--ip`, without asking a name server.
///
/// `localhost` is 127.0.0.1 and `*` is 0.0.0.0, as Jupyter has it. IPv6 may stand in brackets, as in a ZeroMQ address.
///
/// # Errors
/// Any other host name, or text that is no address.
pub fn parse_ip(text: &str) -> Result<IpAddr, NotAnIp> {
    match text {
        "localhost" => return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "*" => return Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        _ => {}
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| NotAnIp { found: text.to_owned() })
}

/// An `ip` that is neither an IP address nor one of the two words that stand for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not an IP address: use one such as \"127.0.0.1\" or \"::1\" (host names are not looked up)"
)]
pub struct NotAnIp {
    /// The text that was given.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_the_two_words() {
        for (text, address) in [
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "127.0.0.1"),
            ("*", "0.0.0.0"),
            ("0.0.0.0", "0.0.0.0"),
            ("::1", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(parse_ip(text), Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn other_host_names_are_refused_by_name() {
        for text in ["example.org", "", "127.0.0.1:80", "[::1", "1.2.3"] {
            let error = parse_ip(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn displays_as_zeromq_writes_it() {
        let tcp = Address::Tcp("[::1]:80".parse().unwrap());
        assert_eq!(tcp.to_string(), "tcp://[::1]:80");
        assert_eq!(Address::Ipc("/run/k-1".into()).to_string(), "ipc:///run/k-1");
    }
}
