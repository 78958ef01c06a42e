//! The way of a batch of messages through the library, step by step.

use std::{fmt, hint::black_box};

use anyhow::{Result, ensure};
use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use jupyter_fleet::{
    frames::Frames,
    jupyter::{
        header::{Header, Parent},
        message::{Body, Envelope, Signed, Unverified, Verified},
        signature::Signer,
    },
    zmtp::{Decoder, FrameLimits, Item, encode_header},
};

use crate::{message::Wire, watch::Watch};

const LIMITS: FrameLimits = FrameLimits { frame: 512 << 20, message: 1 << 30, parts: 16_384 };

/// Frames from this size on are written where they lie, as the fleet does.
const COPY_BELOW: usize = 8 << 10;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    Decode,
    Split,
    Verify,
    PeekHeader,
    PeekParent,
    Sign,
    VerifyAndSign,
    Encode,
}

impl Step {
    pub const ALL: [Self; 8] = [
        Self::Decode,
        Self::Split,
        Self::Verify,
        Self::PeekHeader,
        Self::PeekParent,
        Self::Sign,
        Self::VerifyAndSign,
        Self::Encode,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Decode => "decode",
            Self::Split => "split",
            Self::Verify => "verify",
            Self::PeekHeader => "peek header",
            Self::PeekParent => "peek parent",
            Self::Sign => "sign",
            Self::VerifyAndSign => "verify and sign in one pass",
            Self::Encode => "encode",
        })
    }
}

/// Takes all that stands in the read buffer to the outbox. What a step leaves over is dropped outside of the steps.
pub fn walk(wire: &Wire, watch: &mut impl Watch) -> Result<()> {
    let (count, signer) = (wire.messages, &wire.signer);
    let mut buffer = BytesMut::from(&*wire.bytes);
    let frames = watch.watch(Step::Decode, || decode(&mut buffer, count))?;
    let unverified = watch.watch(Step::Split, || split(frames))?;
    let again = unverified.clone();
    let verified = watch.watch(Step::Verify, || verify(unverified, signer))?;
    watch.watch(Step::PeekHeader, || peek(&verified, |message| black_box(Header::peek(message)).is_ok()));
    watch.watch(Step::PeekParent, || peek(&verified, |message| black_box(Parent::peek(message)).is_ok()));
    let (envelopes, bodies): (Vec<_>, Vec<_>) = verified.into_iter().map(Verified::into_parts).unzip();
    let signed = watch.watch(Step::Sign, || sign(bodies, signer));
    watch.watch(Step::VerifyAndSign, || verify_and_sign(again, signer, &wire.receiver))?;
    let mut outbox = Outbox::default();
    watch.watch(Step::Encode, || encode(&envelopes, &signed, &mut outbox));
    ensure!(outbox.into_bytes() == wire.bytes, "what left is not what came");
    Ok(())
}

fn decode(buffer: &mut BytesMut, count: usize) -> Result<Vec<Frames>> {
    let mut decoder = Decoder::new(LIMITS);
    let mut messages = Vec::with_capacity(count);
    while let Some(item) = decoder.decode(buffer)? {
        if let Item::Message(frames) = item {
            messages.push(frames);
        }
    }
    Ok(messages)
}

fn split(frames: Vec<Frames>) -> Result<Vec<Unverified>> {
    let mut messages = Vec::with_capacity(frames.len());
    for frames in frames {
        messages.push(Unverified::split(frames)?);
    }
    Ok(messages)
}

fn verify(unverified: Vec<Unverified>, signer: &Signer) -> Result<Vec<Verified>> {
    let mut messages = Vec::with_capacity(unverified.len());
    for message in unverified {
        messages.push(signer.verify(message)?);
    }
    Ok(messages)
}

fn peek(messages: &[Verified], look: impl Fn(&Verified) -> bool) -> usize {
    messages.iter().filter(|message| look(message)).count()
}

fn sign(bodies: Vec<Body>, signer: &Signer) -> Vec<Signed> {
    bodies.into_iter().map(|body| signer.sign(body)).collect()
}

/// What kernels publish is checked with their key and signed with their client's.
fn verify_and_sign(unverified: Vec<Unverified>, signer: &Signer, receiver: &Signer) -> Result<Vec<Signed>> {
    let mut messages = Vec::with_capacity(unverified.len());
    for message in unverified {
        messages.push(receiver.sign(signer.verify_for(receiver, message)?.into_body()));
    }
    Ok(messages)
}

/// What waits to be written, as a connection of the fleet keeps it.
#[derive(Default)]
struct Outbox {
    chunks: Vec<Bytes>,
    tail: BytesMut,
}

impl Outbox {
    fn into_bytes(mut self) -> Vec<u8> {
        self.chunks.push(self.tail.freeze());
        self.chunks.concat()
    }
}

fn encode(envelopes: &[Envelope], messages: &[Signed], outbox: &mut Outbox) {
    for (envelope, message) in envelopes.iter().zip(messages) {
        let mut frames = envelope.frames().iter().chain(message.frames()).peekable();
        while let Some(frame) = frames.next() {
            encode_header(frame.len(), frames.peek().is_some(), &mut outbox.tail);
            if frame.len() < COPY_BELOW {
                outbox.tail.extend_from_slice(frame);
            } else {
                outbox.chunks.push(outbox.tail.split().freeze());
                outbox.chunks.push(frame.clone());
            }
        }
    }
}
