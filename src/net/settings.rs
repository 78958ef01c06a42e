//! What a connection may cost, and how long things may take on it.

use std::time::Duration;

use crate::{
    limits::Limits,
    zmtp::{FrameLimits, SocketType},
};

/// A client that has heard nothing for so many times the interval between PINGs may come back on another connection. Kernels
/// may not: what they publish while there is none is lost.
const SILENCES: u32 = 3;

/// libzmq counts that time in 16 bits of milliseconds: a longer one wraps around, and is over before the next PING comes.
const LONGEST_TIME_TO_LIVE: Duration = Duration::from_millis(65_500);

/// What a connection may cost and how long it may be silent.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// Limits on messages.
    pub frames: FrameLimits,
    /// Limit on bytes that wait to leave.
    pub outbox_bytes: usize,
    /// Deadline of the handshake.
    pub handshake: Duration,
    /// Silence after which a PING is sent, to peers that know it.
    pub ping_after: Duration,
    /// After a PING, silence in which the peer may give the connection up; zero for never.
    pub time_to_live: Duration,
    /// Time that a stranger may take for one message.
    pub stranger_message: Duration,
}

impl PeerSettings {
    /// The settings for connections that one of our listening sockets of this type accepts: subscriptions and
    /// heartbeats are small, and their senders never show that they hold a key.
    pub fn accepting(limits: &Limits, socket: SocketType) -> Self {
        let settings = Self { time_to_live: time_to_live(limits.ping_after()), ..Self::new(limits) };
        match socket {
            SocketType::XPub => Self { frames: small(limits.topic_bytes + 64), ..settings },
            SocketType::Rep => settings.beating(limits),
            _ => settings,
        }
    }

    /// The settings for connections that we make: what a kernel echoes is as small as what it was sent.
    pub fn dialling(limits: &Limits, socket: SocketType) -> Self {
        let mut settings = Self::new(limits);
        if socket == SocketType::Req {
            settings = settings.beating(limits);
            // With the delimiter that some clients leave out.
            settings.frames.parts += 1;
        }
        settings
    }

    fn beating(self, limits: &Limits) -> Self {
        let outbox_bytes = limits.heartbeat_bytes * 16;
        Self { frames: small(limits.heartbeat_bytes), outbox_bytes, ..self }
    }

    /// The settings that the configured limits give, for peers that hold a key.
    pub fn new(limits: &Limits) -> Self {
        Self {
            frames: FrameLimits {
                frame: limits.frame_bytes,
                message: limits.message_bytes,
                parts: limits.message_parts,
            },
            outbox_bytes: limits.outbox_bytes,
            handshake: limits.handshake(),
            ping_after: limits.ping_after(),
            time_to_live: Duration::ZERO,
            stranger_message: limits.stranger_message(),
        }
    }
}

/// Two frames of so many bytes, and their delimiters.
fn small(frame: usize) -> FrameLimits {
    FrameLimits { frame, message: frame * 2, parts: 4 }
}

/// How long a client may hear nothing after a PING; zero where that could not outlast the next PING, which comes within two
/// intervals.
fn time_to_live(ping_after: Duration) -> Duration {
    if ping_after * 2 >= LONGEST_TIME_TO_LIVE {
        return Duration::ZERO;
    }
    LONGEST_TIME_TO_LIVE.min(ping_after * SILENCES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libzmq makes of a time to live in tenths of a second (`zmtp_engine_t::process_heartbeat_message`).
    fn as_libzmq_counts(time: Duration) -> Duration {
        let tenths = u16::try_from(time.as_millis() / 100).unwrap();
        Duration::from_millis(tenths.wrapping_mul(100).into())
    }

    #[test]
    fn a_client_that_hears_every_ping_keeps_its_connection() {
        for ping_after in (1..200).map(|tenths| Duration::from_millis(500) * tenths) {
            let time = as_libzmq_counts(time_to_live(ping_after));
            assert!(time.is_zero() || time > ping_after * 2, "{ping_after:?} gives {time:?}");
        }
    }

    #[test]
    fn a_client_that_hears_no_ping_comes_back_by_default() {
        let settings = PeerSettings::accepting(&Limits::default(), SocketType::XPub);
        assert_eq!(settings.time_to_live, LONGEST_TIME_TO_LIVE);
        assert_eq!(
            PeerSettings::dialling(&Limits::default(), SocketType::Dealer).time_to_live,
            Duration::ZERO
        );
    }
}
