//! Jupyter messages on libzmq sockets, as client and kernel compose, sign and read them (messaging spec, "The Wire
//! Protocol"). Nothing here is shared with what is measured.

use std::io::Write;

use anyhow::{Context, ensure};
use hmac::{Hmac, KeyInit, Mac};
use jupyter_fleet::jupyter::connection_file::ConnectionFile;
use sha2::Sha256;

use super::{
    frame::message as on_the_wire,
    incoming::{Frame, Incoming},
};

/// What separates the envelope from the message.
pub const DELIMITER: &[u8] = b"<IDS|MSG>";

/// The content of the status that ends a request.
pub const IDLE: &[u8] = br#"{"execution_state":"idle"}"#;

/// The content of the status that begins one.
pub const BUSY: &[u8] = br#"{"execution_state":"busy"}"#;

/// The parts of a message that its speaker does not make itself.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// What goes before the delimiter.
    pub envelope: &'a [&'a [u8]],
    pub msg_type: &'a str,
    /// The parent header, JSON.
    pub parent: &'a [u8],
    /// JSON.
    pub metadata: &'a [u8],
    /// JSON.
    pub content: &'a [u8],
    pub buffer: Option<&'a [u8]>,
}

/// Who makes and signs messages.
pub struct Speaker {
    mac: Hmac<Sha256>,
    session: String,
    said: u64,
    header: Vec<u8>,
}

impl Speaker {
    /// A speaker with the key of a connection file.
    pub fn new(file: &ConnectionFile, session: impl Into<String>) -> anyhow::Result<Self> {
        let key = file.key.as_ref().context("a connection file without a key")?;
        Ok(Self {
            mac: Hmac::new_from_slice(key.as_bytes())?,
            session: session.into(),
            said: 0,
            header: Vec::new(),
        })
    }

    /// Composes, signs and sends a message.
    pub fn say(&mut self, socket: &zmq::Socket, message: Outgoing<'_>) -> anyhow::Result<()> {
        let signature = self.sign(&message)?;
        for frame in message.envelope.iter().copied().chain([DELIMITER, &signature]) {
            socket.send(frame, zmq::SNDMORE)?;
        }
        for frame in [&self.header, message.parent, message.metadata] {
            socket.send(frame, zmq::SNDMORE)?;
        }
        match message.buffer {
            None => socket.send(message.content, 0)?,
            Some(buffer) => {
                socket.send(message.content, zmq::SNDMORE)?;
                socket.send(buffer, 0)?;
            }
        }
        Ok(())
    }

    /// Composes and signs a message, as it stands on the wire of ZMTP.
    pub fn write(&mut self, message: Outgoing<'_>) -> anyhow::Result<Vec<u8>> {
        let signature = self.sign(&message)?;
        let body: [&[u8]; 6] =
            [DELIMITER, &signature, &self.header, message.parent, message.metadata, message.content];
        let frames: Vec<&[u8]> = message.envelope.iter().copied().chain(body).chain(message.buffer).collect();
        Ok(on_the_wire(&frames))
    }

    /// Composes the header; returns the signature.
    fn sign(&mut self, message: &Outgoing<'_>) -> anyhow::Result<[u8; 64]> {
        self.said += 1;
        self.header.clear();
        write!(
            self.header,
            r#"{{"msg_id":"{session}_{said}","msg_type":"{msg_type}","session":"{session}","username":"bench","date":"2025-01-01T00:00:00.000000Z","version":"5.4"}}"#,
            session = self.session,
            said = self.said,
            msg_type = message.msg_type,
        )?;
        let parts = [&self.header, message.parent, message.metadata, message.content];
        let mut signature = [0; 64];
        hex::encode_to_slice(self.digest(parts).finalize().into_bytes(), &mut signature)?;
        Ok(signature)
    }

    /// The header of the message that was said last.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Checks the signature of a message that has come.
    pub fn verify<F: Frame>(&self, message: &Incoming<F>) -> anyhow::Result<()> {
        let parts = [message.header(), message.parent(), message.part(4), message.content()];
        let claimed = hex::decode(message.part(1)).context("a signature that is not hexadecimal")?;
        ensure!(self.digest(parts).verify_slice(&claimed).is_ok(), "a message with a wrong signature came");
        Ok(())
    }

    fn digest(&self, parts: [&[u8]; 4]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}
