//! The connection file: where a kernel's five channels are and with which key its messages are signed.
//!
//! Source of the keys and of their defaults: jupyter_client's documentation, "Connection files".
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    path::PathBuf,
};

use serde_json::{Map, Value};

use crate::channel::Channel;

use super::{
    endpoint::{Endpoint, NotAnIp, Transport, UnknownTransport, parse_ip},
    scheme::{SecretKey, SignatureScheme, UnknownScheme},
};

/// Longest path of a Unix socket in bytes: `sun_path` holds 108 with the closing NUL (`man 7 unix`).
pub const LONGEST_IPC_PATH: usize = 107;

/// What a connection file says.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionFile {
    address: Address,
    ports: Ports,
    /// The key that signs messages; `None` if they are unsigned (`"key": ""`).
    pub key: Option<SecretKey>,
    /// Which HMAC signs messages.
    pub signature_scheme: SignatureScheme,
    /// The kernelspec's name; jupyter_server lists only files that hold one as external kernels.
    pub kernel_name: Option<String>,
    /// Keys that we do not know; they are kept, for extra keys are legal.
    pub extra: Map<String, Value>,
}

/// `transport` and `ip` in one: what the ports are relative to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The address of all five TCP ports.
    Tcp(IpAddr),
    /// The path prefix of all five sockets: a channel's path is the prefix, a hyphen and its port.
    Ipc(String),
}

/// One port per channel; with ipc, one suffix per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// `shell_port`
    pub shell: NonZeroU16,
    /// `iopub_port`
    pub iopub: NonZeroU16,
    /// `stdin_port`
    pub stdin: NonZeroU16,
    /// `control_port`
    pub control: NonZeroU16,
    /// `hb_port`
    pub heartbeat: NonZeroU16,
}

/// Why a connection file cannot be used. The text goes after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionFileError {
    /// Not JSON at all, or cut short.
    #[error("is not JSON ({0}): it may still be being written, or is not a connection file")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but no object.
    #[error("is not a JSON object, so it is not a connection file")]
    NotAnObject,
    /// A key that every connection file has is not there.
    #[error("has no {field:?}: it is not a connection file, or not a whole one")]
    MissingField {
        /// The key.
        field: &'static str,
    },
    /// A known key with a value of another type.
    #[error("{field:?} must be {expected}")]
    WrongType {
        /// The key.
        field: &'static str,
        /// The type that it must have, in words.
        expected: &'static str,
    },
    /// A port that no socket can have.
    #[error("{field:?} is {found}, but a port is a whole number from 1 to 65535")]
    BadPort {
        /// The key.
        field: &'static str,
        /// The number that was found.
        found: String,
    },
    /// `transport` is neither tcp nor ipc.
    #[error("\"transport\": {0}")]
    Transport(#[from] UnknownTransport),
    /// `signature_scheme` is unknown.
    #[error("\"signature_scheme\": {0}")]
    Scheme(#[from] UnknownScheme),
    /// `ip` of a TCP connection file is no address.
    #[error("\"ip\": {0}")]
    Ip(#[from] NotAnIp),
    /// A Unix socket cannot have such a path.
    #[error(
        "\"ip\" leads to the socket path {path:?} of {} bytes, but a Unix socket's may have {LONGEST_IPC_PATH} \
         at most: use a shorter directory (JUPYTER_RUNTIME_DIR)", path.len()
    )]
    IpcPathTooLong {
        /// The path of the channel whose path is too long.
        path: String,
    },
    /// A path with a NUL byte names no file.
    #[error("\"ip\" holds a NUL character, which no path can have")]
    IpcPathWithNul,
    /// Keys for CurveZMQ, which would otherwise be dropped silently, and with them the encryption.
    #[error("has {field:?}, but CURVE is not supported yet: start the kernel without CurveZMQ keys")]
    Curve {
        /// The key.
        field: String,
    },
    /// An empty key where everybody on the machine can connect.
    #[error("\"key\" is empty: unsigned messages over TCP would let anybody on this machine run code")]
    UnsignedOverTcp,
}

impl ConnectionFile {
    /// A connection file for messages signed with `key` by the default scheme, with neither name nor extra keys.
    ///
    /// # Errors
    /// The path of an ipc socket is longer than a Unix socket's may be, or holds a NUL.
    pub fn new(address: Address, ports: Ports, key: Option<SecretKey>) -> Result<Self, ConnectionFileError> {
        if let Address::Ipc(prefix) = &address {
            check_ipc_paths(prefix, &ports)?;
        }
        let signature_scheme = SignatureScheme::default();
        Ok(Self { address, ports, key, signature_scheme, kernel_name: None, extra: Map::new() })
    }

    /// Reads a connection file's bytes. `transport`, `ip` (for TCP) and `signature_scheme` may be absent and are then
    /// `tcp`, 127.0.0.1 and `hmac-sha256`, as in jupyter_client.
    ///
    /// # Errors
    /// Anything that would make the file unusable, by field. The text of a key never appears in an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConnectionFileError> {
        let value: Value = serde_json::from_slice(bytes).map_err(ConnectionFileError::NotJson)?;
        let Value::Object(mut fields) = value else { return Err(ConnectionFileError::NotAnObject) };
        refuse_curve(&fields)?;

        let address = take_address(&mut fields)?;
        let ports = take_ports(&mut fields)?;
        let key = take_text(&mut fields, "key")?.ok_or(ConnectionFileError::MissingField { field: "key" })?;
        let scheme = take_text(&mut fields, "signature_scheme")?;
        let kernel_name = take_text(&mut fields, "kernel_name")?;
        Ok(Self {
            signature_scheme: scheme.map_or(Ok(SignatureScheme::default()), |name| name.parse())?,
            kernel_name,
            extra: fields,
            ..Self::new(address, ports, SecretKey::new(key))?
        })
    }

    /// The file's text: indented JSON with Jupyter's keys and the extra ones. It holds the key in the clear.
    pub fn to_json(&self) -> String {
        let mut fields = self.extra.clone();
        for channel in Channel::ALL {
            fields.insert(port_field(channel).to_owned(), self.ports.of(channel).get().into());
        }
        fields.insert("ip".to_owned(), self.address.ip().into());
        fields.insert("transport".to_owned(), self.transport().as_str().into());
        fields.insert("key".to_owned(), self.key.as_ref().map_or("", SecretKey::in_the_clear).into());
        fields.insert("signature_scheme".to_owned(), self.signature_scheme.as_str().into());
        if let Some(name) = &self.kernel_name {
            fields.insert("kernel_name".to_owned(), name.as_str().into());
        }
        format!("{:#}\n", Value::Object(fields))
    }

    /// The key to check and make signatures with; `None` if messages are unsigned, which only ipc may be.
    ///
    /// # Errors
    /// [`ConnectionFileError::UnsignedOverTcp`]: no key although everybody on the machine can reach the ports.
    pub fn signing_key(&self) -> Result<Option<&SecretKey>, ConnectionFileError> {
        match (&self.key, self.transport()) {
            (None, Transport::Tcp) => Err(ConnectionFileError::UnsignedOverTcp),
            (key, _) => Ok(key.as_ref()),
        }
    }

    /// Where `channel` is bound.
    pub fn endpoint(&self, channel: Channel) -> Endpoint {
        let port = self.ports.of(channel).get();
        match &self.address {
            Address::Tcp(ip) => Endpoint::Tcp(SocketAddr::new(*ip, port)),
            Address::Ipc(prefix) => Endpoint::Ipc(PathBuf::from(ipc_path(prefix, port))),
        }
    }

    /// What the ports are relative to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The port of each channel.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// TCP or ipc.
    pub fn transport(&self) -> Transport {
        match self.address {
            Address::Tcp(_) => Transport::Tcp,
            Address::Ipc(_) => Transport::Ipc,
        }
    }
}

impl Address {
    /// The text of the file's `ip`.
    fn ip(&self) -> String {
        match self {
            Self::Tcp(ip) => ip.to_string(),
            Self::Ipc(prefix) => prefix.clone(),
        }
    }
}

impl Ports {
    /// The port of one channel.
    pub fn of(&self, channel: Channel) -> NonZeroU16 {
        match channel {
            Channel::Shell => self.shell,
            Channel::IoPub => self.iopub,
            Channel::Stdin => self.stdin,
            Channel::Control => self.control,
            Channel::Heartbeat => self.heartbeat,
        }
    }
}

fn port_field(channel: Channel) -> &'static str {
    match channel {
        Channel::Shell => "shell_port",
        Channel::IoPub => "iopub_port",
        Channel::Stdin => "stdin_port",
        Channel::Control => "control_port",
        Channel::Heartbeat => "hb_port",
    }
}

fn ipc_path(prefix: &str, port: u16) -> String {
    format!("{prefix}-{port}")
}

fn check_ipc_paths(prefix: &str, ports: &Ports) -> Result<(), ConnectionFileError> {
    if prefix.contains('\0') {
        return Err(ConnectionFileError::IpcPathWithNul);
    }
    let mut paths = Channel::ALL.map(|channel| ipc_path(prefix, ports.of(channel).get())).into_iter();
    paths
        .find(|path| path.len() > LONGEST_IPC_PATH)
        .map_or(Ok(()), |path| Err(ConnectionFileError::IpcPathTooLong { path }))
}

fn refuse_curve(fields: &Map<String, Value>) -> Result<(), ConnectionFileError> {
    let curve = fields.iter().find(|(field, value)| field.starts_with("curve_") && !value.is_null());
    curve.map_or(Ok(()), |(field, _)| Err(ConnectionFileError::Curve { field: field.clone() }))
}

fn take_address(fields: &mut Map<String, Value>) -> Result<Address, ConnectionFileError> {
    let transport = take_text(fields, "transport")?.map_or(Ok(Transport::Tcp), |name| name.parse())?;
    let ip = take_text(fields, "ip")?;
    match (transport, ip) {
        (Transport::Tcp, None) => Ok(Address::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        (Transport::Tcp, Some(ip)) => Ok(Address::Tcp(parse_ip(&ip)?)),
        (Transport::Ipc, None) => Err(ConnectionFileError::MissingField { field: "ip" }),
        (Transport::Ipc, Some(prefix)) => Ok(Address::Ipc(prefix)),
    }
}

fn take_ports(fields: &mut Map<String, Value>) -> Result<Ports, ConnectionFileError> {
    let mut take = |channel| take_port(fields, port_field(channel));
    Ok(Ports {
        shell: take(Channel::Shell)?,
        iopub: take(Channel::IoPub)?,
        stdin: take(Channel::Stdin)?,
        control: take(Channel::Control)?,
        heartbeat: take(Channel::Heartbeat)?,
    })
}

fn take_port(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<NonZeroU16, ConnectionFileError> {
    let value = fields.remove(field).ok_or(ConnectionFileError::MissingField { field })?;
    let Value::Number(number) = value else {
        return Err(ConnectionFileError::WrongType { field, expected: "a number" });
    };
    let port = number.as_u64().and_then(|port| u16::try_from(port).ok()).and_then(NonZeroU16::new);
    port.ok_or_else(|| ConnectionFileError::BadPort { field, found: number.to_string() })
}

/// The text of a field; `None` if it is absent or null.
fn take_text(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Option<String>, ConnectionFileError> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ConnectionFileError::WrongType { field, expected: "a string" }),
    }
}

#[cfg(test)]
mod tests;
