//! The messages: output of a cell, as ipykernel publishes it.

use std::fmt;

use anyhow::{Context, Result};
use bytes::BytesMut;
use clap::ValueEnum;
use hmac::{Hmac, KeyInit, Mac};
use jupyter_fleet::jupyter::{
    scheme::{SecretKey, SignatureScheme},
    signature::Signer,
};
use sha2::Sha256;

use crate::common::frame;

/// 36 characters, as Jupyter's keys have.
const KEY: &str = "b3a1f2de-9f3a64a1c7e05d8841d2b6f7c301";

const RECEIVER: &str = "0c9d57e4-1b2e8f60d3a94c75b6e1f2a3d840";

const TOPIC: &[u8] = b"kernel.6f0e3c1a-51a4-4e0c-b1c8-5b1a2a7be210.stream";

const HEADER: &[u8] = br#"{"msg_id": "0d3ec1b5-0a3fb2a9c1d7c4b2a0b6f1de_41233_1807", "msg_type": "stream", "username": "jovyan", "session": "0d3ec1b5-0a3fb2a9c1d7c4b2a0b6f1de", "date": "2025-01-01T12:00:00.123456Z", "version": "5.3"}"#;

const PARENT: &[u8] = br#"{"msg_id": "7c1a9d42-83c64d1fb6b7f0e95a21c7aa_40977_36", "username": "jovyan", "session": "7c1a9d42-83c64d1fb6b7f0e95a21c7aa", "date": "2025-01-01T11:59:58.654321Z", "version": "5.3", "msg_type": "execute_request"}"#;

/// How long the text of a message is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Size {
    Small,
    Large,
}

impl Size {
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// Bytes of content.
    fn content(self) -> usize {
        match self {
            Self::Small => 100,
            Self::Large => 10_000,
        }
    }

    /// Messages in what is read at once: a read buffer has 256 KiB.
    pub fn batch(self) -> usize {
        match self {
            Self::Small => 256,
            Self::Large => 24,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Small => "content of 100 B",
            Self::Large => "content of 10 KB",
        })
    }
}

/// What stands in the read buffer, and the key that it is signed with.
pub struct Wire {
    pub bytes: BytesMut,
    pub messages: usize,
    pub signer: Signer,
    /// The key of whoever gets them.
    pub receiver: Signer,
}

impl Wire {
    /// The same message many times; unsigned where that is wanted.
    pub fn new(size: Size, messages: usize, is_signed: bool) -> Result<Self> {
        let (start, end) = (r#"{"name": "stdout", "text": ""#, r#""}"#);
        let text = "x".repeat(size.content() - start.len() - end.len());
        let content = format!("{start}{text}{end}");
        let body = [HEADER, PARENT, b"{}", content.as_bytes()];
        let signature = if is_signed { sign(body)? } else { String::new() };
        let [header, parent, metadata, content] = body;
        let message =
            frame::message(&[TOPIC, b"<IDS|MSG>", signature.as_bytes(), header, parent, metadata, content]);
        let signer = |key| {
            let key = SecretKey::new(key).filter(|_| is_signed);
            Signer::new(SignatureScheme::HmacSha256, key.as_ref())
        };
        Ok(Self {
            bytes: BytesMut::from(&*message.repeat(messages)),
            messages,
            signer: signer(KEY),
            receiver: signer(RECEIVER),
        })
    }
}

fn sign(body: [&[u8]; 4]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).context("the key")?;
    body.iter().for_each(|part| mac.update(part));
    Ok(hex::encode(mac.finalize().into_bytes()))
}
