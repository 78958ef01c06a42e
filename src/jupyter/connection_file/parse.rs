//! From a connection file's bytes to what it says.
use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU16,
};

use serde_json::{Map, Value};

use crate::{
    channel::Channel,
    jupyter::{
        address::{Transport, parse_ip},
        scheme::{SecretKey, SignatureScheme},
    },
};

use super::{ConnectionFile, ConnectionFileError, Location, Ports, port_field};

impl ConnectionFile {
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
            signature_scheme: scheme.map_or(Ok(SignatureScheme::default()), |name| {
                name.parse().map_err(ConnectionFileError::Scheme)
            })?,
            kernel_name,
            extra: fields,
            ..Self::new(address, ports, SecretKey::new(key))?
        })
    }
}

fn refuse_curve(fields: &Map<String, Value>) -> Result<(), ConnectionFileError> {
    let curve = fields.iter().find(|(field, value)| field.starts_with("curve_") && !value.is_null());
    curve.map_or(Ok(()), |(field, _)| Err(ConnectionFileError::Curve { field: field.clone() }))
}

fn take_address(fields: &mut Map<String, Value>) -> Result<Location, ConnectionFileError> {
    let transport = take_text(fields, "transport")?
        .map_or(Ok(Transport::Tcp), |name| name.parse().map_err(ConnectionFileError::Transport))?;
    let ip = take_text(fields, "ip")?;
    match (transport, ip) {
        (Transport::Tcp, None) => Ok(Location::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        (Transport::Tcp, Some(ip)) => Ok(Location::Tcp(parse_ip(&ip).map_err(ConnectionFileError::Ip)?)),
        (Transport::Ipc, None) => Err(ConnectionFileError::MissingField { field: "ip" }),
        (Transport::Ipc, Some(prefix)) => Ok(Location::Ipc(prefix)),
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
