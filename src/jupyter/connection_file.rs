//! The connection file: where a kernel's five channels are and with which key its messages are signed.
//!
//! Source of the keys and of their defaults: jupyter_client's documentation, "Connection files".
mod error;
mod parse;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    path::PathBuf,
};

use serde_json::{Map, Value};

use crate::channel::Channel;

use super::{
    address::{Address, Transport},
    scheme::{SecretKey, SignatureScheme},
};

pub use error::ConnectionFileError;

/// Longest path of a Unix socket in bytes: `sun_path` holds 108 with the closing NUL (`man 7 unix`).
pub const LONGEST_IPC_PATH: usize = 107;

/// What a connection file says.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionFile {
    address: Location,
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
pub enum Location {
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

impl ConnectionFile {
    /// A connection file for messages signed with `key` by the default scheme, with neither name nor extra keys.
    ///
    /// # Errors
    /// The path of an ipc socket is longer than a Unix socket's may be, or holds a NUL.
    pub fn new(address: Location, ports: Ports, key: Option<SecretKey>) -> Result<Self, ConnectionFileError> {
        if let Location::Ipc(prefix) = &address {
            check_ipc_paths(prefix, &ports)?;
        }
        let signature_scheme = SignatureScheme::default();
        Ok(Self { address, ports, key, signature_scheme, kernel_name: None, extra: Map::new() })
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
    pub fn address(&self, channel: Channel) -> Address {
        let port = self.ports.of(channel).get();
        match &self.address {
            Location::Tcp(ip) => Address::Tcp(SocketAddr::new(*ip, port)),
            Location::Ipc(prefix) => Address::Ipc(PathBuf::from(ipc_path(prefix, port))),
        }
    }

    /// What the ports are relative to.
    pub fn location(&self) -> &Location {
        &self.address
    }

    /// The port of each channel.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// TCP or ipc.
    pub fn transport(&self) -> Transport {
        match self.address {
            Location::Tcp(_) => Transport::Tcp,
            Location::Ipc(_) => Transport::Ipc,
        }
    }
}

impl Location {
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

#[cfg(any(test, fuzzing))]
pub(in crate::jupyter) mod law;

#[cfg(test)]
mod tests;
