//! What goes to the fleet, and what becomes of it while the fleet is away.

use std::sync::Arc;

use super::line::Line;
use crate::{
    channel::Channel,
    jupyter::message::{Body, Envelope},
    net::{PushError, SignedOutbox},
};

/// The way to the fleet.
#[derive(Debug)]
pub(super) enum Upstream {
    /// It is there.
    There(Arc<Line>),
    /// It is away: messages wait for it.
    Away(Held),
}

/// Messages that wait, in order.
#[derive(Debug, Default)]
pub(super) struct Held {
    messages: Vec<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    channel: Channel,
    envelope: Envelope,
    body: Body,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Sent {
    /// It leaves when this is flushed.
    Queued(SignedOutbox),
    /// It waits for the fleet.
    Held,
    /// There is no room for it.
    Full,
}

impl Upstream {
    /// Sends a message, or keeps it where the fleet is away, up to so many bytes.
    pub(super) fn send(&mut self, channel: Channel, envelope: Envelope, body: Body, most: usize) -> Sent {
        let body = match self {
            Self::Away(held) => return held.keep(Waiting { channel, envelope, body }, most),
            Self::There(line) => {
                let outbox = line.outbox(channel);
                let signed = line.signer.sign(body);
                match outbox.push(&envelope, &signed) {
                    Ok(()) => return Sent::Queued(outbox.clone()),
                    Err(PushError::Full) => return Sent::Full,
                    Err(PushError::Closed) => signed.body().clone(),
                }
            }
        };
        let mut held = Held::default();
        let sent = held.keep(Waiting { channel, envelope, body }, most);
        *self = Self::Away(held);
        sent
    }

    /// The fleet is there: it is sent what has waited.
    pub(super) fn connect(&mut self, line: Arc<Line>) {
        if let Self::Away(held) = std::mem::replace(self, Self::There(line.clone())) {
            for Waiting { channel, envelope, body } in held.messages {
                // It was counted when it came. Where the line has ended again, so will these requests.
                let _ = line.outbox(channel).push_counted(&envelope, &line.signer.sign(body));
            }
        }
        line.flush();
    }

    /// This line has ended.
    pub(super) fn disconnect(&mut self, line: &Arc<Line>) {
        if matches!(self, Self::There(current) if Arc::ptr_eq(current, line)) {
            *self = Self::Away(Held::default());
        }
    }

    /// Whether the request with this header has not been sent.
    pub(super) fn holds(&self, header: &[u8]) -> bool {
        match self {
            Self::There(_) => false,
            Self::Away(held) => held.messages.iter().any(|message| message.body.header() == header),
        }
    }

    /// Drops what waits.
    pub(super) fn forget(&mut self) {
        if let Self::Away(held) = self {
            *held = Held::default();
        }
    }

    /// Whether the fleet is away.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl Held {
    fn keep(&mut self, message: Waiting, most: usize) -> Sent {
        let size = message.body.size();
        if !self.messages.is_empty() && self.bytes + size > most {
            return Sent::Full;
        }
        self.bytes += size;
        self.messages.push(message);
        Sent::Held
    }
}
