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

    /// Takes the request with this header back. `false` if it has been sent.
    pub(super) fn withdraw(&mut self, header: &[u8]) -> bool {
        let Self::Away(held) = self else { return false };
        let found = held.messages.iter().position(|message| message.body.header() == header);
        let Some(index) = found else { return false };
        held.bytes -= held.messages.remove(index).body.size();
        true
    }

    /// Whether something for this channel has not been sent.
    pub(super) fn holds_any(&self, channel: Channel) -> bool {
        matches!(self, Self::Away(held) if held.messages.iter().any(|message| message.channel == channel))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jupyter::reply::Voice;

    fn send(upstream: &mut Upstream, bytes: usize) -> (Sent, Body) {
        let text = serde_json::json!({ "text": "x".repeat(bytes) });
        let body = Voice::new("test").say_raw("execute_request", text, &bytes::Bytes::new());
        (upstream.send(Channel::Shell, Envelope::default(), body.clone(), 5000), body)
    }

    #[test]
    fn what_waits_is_bounded_but_one_message_always_may() {
        let mut upstream = Upstream::Away(Held::default());
        assert!(matches!(send(&mut upstream, 9000).0, Sent::Held));
        assert!(matches!(send(&mut upstream, 1).0, Sent::Full));
        upstream.forget();
        assert!(matches!(send(&mut upstream, 1000).0, Sent::Held));
        assert!(matches!(send(&mut upstream, 1000).0, Sent::Held));
        assert!(matches!(send(&mut upstream, 5000).0, Sent::Full));
    }

    #[test]
    fn what_has_not_been_sent_can_be_taken_back() {
        let mut upstream = Upstream::Away(Held::default());
        let (_, body) = send(&mut upstream, 4000);
        assert!(upstream.holds_any(Channel::Shell) && !upstream.holds_any(Channel::Control));
        assert!(upstream.withdraw(body.header()) && !upstream.withdraw(body.header()));
        assert!(!upstream.holds_any(Channel::Shell));
        assert!(matches!(send(&mut upstream, 1).0, Sent::Held));
        assert!(matches!(send(&mut upstream, 4000).0, Sent::Held), "its room is free again");
    }

    #[test]
    fn what_finds_the_line_closed_waits_for_the_next_one() {
        let line = Arc::new(Line::closed());
        let mut upstream = Upstream::There(line.clone());
        let (sent, body) = send(&mut upstream, 10);
        assert!(matches!(sent, Sent::Held) && upstream.is_away());
        assert!(upstream.holds(body.header()));
        upstream.disconnect(&line);
        assert!(upstream.holds(body.header()), "the end of the line is noticed twice, and loses nothing");
    }

    #[test]
    fn the_end_of_an_earlier_line_does_not_end_this_one() {
        let mut upstream = Upstream::There(Arc::new(Line::closed()));
        upstream.disconnect(&Arc::new(Line::closed()));
        assert!(!upstream.is_away());
    }
}
