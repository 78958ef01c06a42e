//! The host's connections, and how answers find the way back to them.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    channel::Channel,
    jupyter::message::{Envelope, Verified},
    net::{Peer, SignedOutbox},
};

/// Bytes of a connection's number at the start of its mark.
const NUMBER_BYTES: usize = 8;

/// Replies that are kept for clients that are away, and their bytes.
const UNCLAIMED: usize = 1000;
const UNCLAIMED_BYTES: usize = 64 << 20;

/// One connection of the host on shell, control or stdin.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) channel: Channel,
    /// What the peer announced; clients use one identity on shell, control and stdin.
    pub(super) identity: Bytes,
    pub(super) outbox: SignedOutbox,
    number: u64,
    /// The first frame of the envelope of what the fleet is sent for it: number and identity.
    mark: Bytes,
}

impl Connection {
    /// The envelope under which the fleet is sent a message; it sends the reply back under the same.
    pub(super) fn upward(&self, envelope: &Envelope) -> Envelope {
        Envelope::new([self.mark.clone()].into_iter().chain(envelope.frames().iter().cloned()))
    }
}

/// All connections on which requests come.
#[derive(Debug)]
pub(super) struct Connections {
    open: HashMap<u64, Arc<Connection>>,
    next: u64,
    unclaimed: Unclaimed,
}

/// Replies whose clients are away: their sockets come back by themselves when this process was killed and another one
/// has taken its place.
#[derive(Debug, Default)]
struct Unclaimed {
    replies: VecDeque<Reply>,
    bytes: usize,
}

#[derive(Debug)]
struct Reply {
    channel: Channel,
    identity: Bytes,
    envelope: Envelope,
    message: Verified,
}

impl Connections {
    /// None yet. Numbers begin anywhere: the fleet may still send what an earlier process asked for.
    pub(super) fn starting_at(first: u64) -> Self {
        Self { open: HashMap::new(), next: first, unclaimed: Unclaimed::default() }
    }

    /// One more, which this peer opened.
    pub(super) fn add(&mut self, channel: Channel, peer: &Peer) -> Arc<Connection> {
        self.insert(channel, Bytes::copy_from_slice(&peer.remote().identity), peer.signed_outbox())
    }

    /// One more.
    pub(super) fn insert(
        &mut self,
        channel: Channel,
        identity: Bytes,
        outbox: SignedOutbox,
    ) -> Arc<Connection> {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let mark = [&number.to_be_bytes()[..], &identity].concat().into();
        let connection = Arc::new(Connection { channel, identity, outbox, number, mark });
        self.open.insert(number, connection.clone());
        connection
    }

    /// It has ended.
    pub(super) fn remove(&mut self, connection: &Connection) {
        self.open.remove(&connection.number);
    }

    /// Where a message from the fleet belongs: the connection that its envelope names, or the one that has taken its
    /// place; and the host's own envelope.
    pub(super) fn addressed(
        &self,
        channel: Channel,
        envelope: &Envelope,
    ) -> Option<(Arc<Connection>, Envelope)> {
        let (mark, own) = envelope.frames().split_first()?;
        let (number, identity) = mark.split_at_checked(NUMBER_BYTES)?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        let connection = match self.open.get(&number).filter(|open| open.channel == channel) {
            Some(open) => open.clone(),
            None => self.newest(channel, identity)?,
        };
        Some((connection, Envelope::new(own.iter().cloned())))
    }

    /// Keeps a reply until its client comes back; `false` if nobody would know it again.
    pub(super) fn keep(&mut self, channel: Channel, message: Verified) -> bool {
        let Some((mark, own)) = message.envelope().frames().split_first() else { return false };
        let identity = match mark.split_at_checked(NUMBER_BYTES) {
            Some((_, identity)) if !identity.is_empty() => Bytes::copy_from_slice(identity),
            _ => return false,
        };
        let envelope = Envelope::new(own.iter().cloned());
        self.unclaimed.push(Reply { channel, identity, envelope, message });
        true
    }

    /// The replies that have waited for this connection.
    pub(super) fn claim(&mut self, connection: &Connection) -> Vec<(Envelope, Verified)> {
        self.unclaimed.take(connection)
    }

    /// The newest connection of this client's on a channel.
    pub(super) fn newest(&self, channel: Channel, identity: &[u8]) -> Option<Arc<Connection>> {
        let its = |open: &&Arc<Connection>| open.channel == channel && open.identity == identity;
        if identity.is_empty() {
            return None;
        }
        self.open.values().filter(its).max_by_key(|open| open.number).cloned()
    }

    /// The one connection on a channel, where there is no other client that could be meant.
    pub(super) fn only(&self, channel: Channel) -> Option<Arc<Connection>> {
        let mut fitting = self.open.values().filter(|open| open.channel == channel);
        let only = fitting.next()?;
        fitting.next().is_none().then(|| only.clone())
    }
}

impl Unclaimed {
    /// One more; the oldest are given up where they take too much room.
    fn push(&mut self, reply: Reply) {
        self.bytes += reply.message.body().size();
        self.replies.push_back(reply);
        while self.replies.len() > 1 && (self.bytes > UNCLAIMED_BYTES || self.replies.len() > UNCLAIMED) {
            let oldest = self.replies.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.message.body().size());
        }
    }

    fn take(&mut self, connection: &Connection) -> Vec<(Envelope, Verified)> {
        let its =
            |reply: &Reply| reply.channel == connection.channel && reply.identity == connection.identity;
        let (taken, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.replies).into_iter().partition(its);
        self.bytes = kept.iter().map(|reply| reply.message.body().size()).sum();
        self.replies = kept;
        taken.into_iter().map(|reply| (reply.envelope, reply.message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jupyter::{message::Unverified, reply::Voice, signature::Signer};

    fn frames(parts: &[&'static str]) -> Envelope {
        Envelope::new(parts.iter().map(|part| Bytes::from_static(part.as_bytes())))
    }

    fn open(connections: &mut Connections, channel: Channel, identity: &'static str) -> Arc<Connection> {
        connections.insert(channel, Bytes::from_static(identity.as_bytes()), SignedOutbox::closed())
    }

    #[test]
    fn an_answer_finds_its_connection_and_keeps_the_hosts_envelope() {
        let mut all = Connections::starting_at(7);
        let one = open(&mut all, Channel::Shell, "me");
        let _other = open(&mut all, Channel::Shell, "me");
        let (found, envelope) = all.addressed(Channel::Shell, &one.upward(&frames(&["a", "b"]))).unwrap();
        assert_eq!(found.number, one.number);
        assert_eq!(envelope, frames(&["a", "b"]));
    }

    #[test]
    fn the_newest_of_the_same_client_takes_the_place_of_one_that_ended() {
        let mut all = Connections::starting_at(7);
        let ended = open(&mut all, Channel::Shell, "me");
        all.remove(&ended);
        let sent = ended.upward(&frames(&[]));
        assert!(all.addressed(Channel::Shell, &sent).is_none());
        open(&mut all, Channel::Shell, "other");
        open(&mut all, Channel::Control, "me");
        assert!(all.addressed(Channel::Shell, &sent).is_none());
        open(&mut all, Channel::Shell, "me");
        let newest = open(&mut all, Channel::Shell, "me");
        assert_eq!(all.addressed(Channel::Shell, &sent).unwrap().0.number, newest.number);
    }

    #[test]
    fn what_an_earlier_process_asked_for_finds_the_same_client() {
        let sent = open(&mut Connections::starting_at(7), Channel::Shell, "me").upward(&frames(&[]));
        let mut all = Connections::starting_at(1 << 40);
        let back = open(&mut all, Channel::Shell, "me");
        assert_eq!(all.addressed(Channel::Shell, &sent).unwrap().0.number, back.number);
    }

    fn reply(envelope: &Envelope, text: &str) -> Verified {
        let signer = Signer::new(Default::default(), None);
        let said =
            signer.sign(Voice::new("test").say_raw("execute_reply", serde_json::json!(text), &Bytes::new()));
        let frames = envelope.frames().iter().cloned().chain(said.frames().cloned());
        signer.verify(Unverified::split(frames.collect()).unwrap()).unwrap()
    }

    #[test]
    fn a_reply_waits_for_a_client_that_is_away_and_for_no_other() {
        let mut all = Connections::starting_at(7);
        let away = open(&mut all, Channel::Shell, "me");
        all.remove(&away);
        assert!(all.keep(Channel::Shell, reply(&away.upward(&frames(&["a"])), "for me")));
        let nobody = open(&mut Connections::starting_at(1), Channel::Shell, "");
        assert!(!all.keep(Channel::Shell, reply(&nobody.upward(&frames(&[])), "for nobody")));
        let (control, other) =
            (open(&mut all, Channel::Control, "me"), open(&mut all, Channel::Shell, "other"));
        assert!(all.claim(&control).is_empty() && all.claim(&other).is_empty());
        let back = open(&mut all, Channel::Shell, "me");
        let claimed: Vec<_> = all.claim(&back).into_iter().map(|(envelope, _)| envelope).collect();
        assert_eq!(claimed, [frames(&["a"])]);
        assert!(all.claim(&back).is_empty() && all.unclaimed.bytes == 0);
    }

    #[test]
    fn what_waits_for_those_that_are_away_is_bounded() {
        let mut all = Connections::starting_at(7);
        let away = open(&mut all, Channel::Shell, "me").upward(&frames(&[]));
        for number in 0..2 * UNCLAIMED {
            all.keep(Channel::Shell, reply(&away, &number.to_string()));
        }
        assert_eq!(all.unclaimed.replies.len(), UNCLAIMED);
    }

    #[test]
    fn without_an_identity_nobody_takes_a_place() {
        let mut all = Connections::starting_at(7);
        let ended = open(&mut all, Channel::Shell, "");
        all.remove(&ended);
        open(&mut all, Channel::Shell, "");
        assert!(all.addressed(Channel::Shell, &ended.upward(&frames(&[]))).is_none());
    }

    #[test]
    fn a_strange_envelope_leads_nowhere() {
        let all = Connections::starting_at(7);
        for envelope in [frames(&[]), frames(&["short"]), frames(&["12345678"])] {
            assert!(all.addressed(Channel::Shell, &envelope).is_none());
        }
    }
}
