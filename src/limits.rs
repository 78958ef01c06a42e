//! Every bound on what a peer may make us do, each with its reason. All can be set in `[limits]` of the config.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The bounds of section "Hostile peers" of the design. Sizes in bytes, times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest frame: a notebook output or a data frame in a buffer is rarely over 100 MB; memory must survive a few.
    #[serde(deserialize_with = "more_than_zero")]
    pub frame_bytes: usize,
    /// Longest message, all frames together.
    #[serde(deserialize_with = "more_than_zero")]
    pub message_bytes: usize,
    /// Most frames in a message: buffers of a widget run to dozens, those of a wide table to thousands.
    #[serde(deserialize_with = "more_than_zero")]
    pub message_parts: usize,
    /// Longest message before the peer has shown that it holds the key: a first request is code, not data.
    #[serde(deserialize_with = "more_than_zero")]
    pub unauthenticated_message_bytes: usize,
    /// Bytes buffered for all unauthenticated connections together.
    #[serde(deserialize_with = "more_than_zero")]
    pub unauthenticated_bytes: usize,
    /// Of these, bytes for one user or one remote address.
    #[serde(deserialize_with = "more_than_zero")]
    pub unauthenticated_bytes_per_origin: usize,
    /// Unauthenticated connections in all that nobody vouches for: a process with 200 clients opens 1,000 at once.
    #[serde(deserialize_with = "more_than_zero")]
    pub unauthenticated_connections: usize,
    /// Of these, connections from one user or one remote address.
    #[serde(deserialize_with = "more_than_zero")]
    pub unauthenticated_connections_per_origin: usize,
    /// Silent connections for which an authenticated one vouches, if they are of the same process or remote address: they
    /// count as strangers no more. A client's iopub and heartbeat never authenticate themselves, its stdin and control may
    /// not for hours, and a host opens several iopub connections per client. So whoever holds the key may have that many
    /// times as many silent connections as ones on which it has signed something, and whoever does not hold it gains nothing.
    /// In all, connections are bounded by the limit on open files, which `serve` raises as far as it may.
    pub vouched_connections: usize,
    /// Longest handshake command: READY holds a socket type and an identity of 255 bytes.
    #[serde(deserialize_with = "more_than_zero")]
    pub handshake_bytes: usize,
    /// Time to complete greeting and READY.
    #[serde(deserialize_with = "more_than_zero")]
    pub handshake_ms: u64,
    /// Subscriptions of one iopub connection: clients use one, `""`.
    #[serde(deserialize_with = "more_than_zero")]
    pub subscriptions: usize,
    /// Longest topic of a subscription.
    pub topic_bytes: usize,
    /// Bytes queued towards one peer before it counts as too slow.
    #[serde(deserialize_with = "more_than_zero")]
    pub outbox_bytes: usize,
    /// Bytes of a client's messages that are kept while its connection is broken, and for how long each is: a notebook's output
    /// of a few minutes on a train.
    pub replay_bytes: usize,
    /// See [`Self::replay_bytes`].
    pub replay_ms: u64,
    /// Bytes held for one client or one starting kernel.
    #[serde(deserialize_with = "more_than_zero")]
    pub held_bytes: usize,
    /// Time that a client whose kernel does not read has to wait before it is told that there is no room: as long as it
    /// would wait at a kernel of its own, but not for ever.
    #[serde(deserialize_with = "more_than_zero")]
    pub kernel_reads_ms: u64,
    /// Requests of one client that are waiting for their replies.
    #[serde(deserialize_with = "more_than_zero")]
    pub requests_in_flight: usize,
    /// Sessions that may speak on one connection: clients have one each.
    #[serde(deserialize_with = "more_than_zero")]
    pub sessions_per_connection: usize,
    /// Badly signed, altered or replayed messages after which a connection is ended.
    #[serde(deserialize_with = "more_than_zero")]
    pub bad_messages: u32,
    /// Remembered signatures against replay: as many as jupyter_client remembers.
    pub remembered_signatures: usize,
    /// Clients remembered per kernel, for those that come back.
    pub remembered_clients: usize,
    /// Silence of a peer after which it is asked with a PING.
    #[serde(deserialize_with = "more_than_zero")]
    pub ping_after_ms: u64,
    /// Time for one message of a peer that has not shown that it holds the key.
    #[serde(deserialize_with = "more_than_zero")]
    pub stranger_message_ms: u64,
    /// Longest frame of a heartbeat: clients send a few bytes.
    #[serde(deserialize_with = "more_than_zero")]
    pub heartbeat_bytes: usize,
    /// Longest content of a kernel's `kernel_info_reply`: it is kept, written to the registry, and told to every client. They are
    /// some thousand bytes.
    #[serde(deserialize_with = "more_than_zero")]
    pub kernel_info_bytes: usize,
    /// How long a first request waits for the client's iopub connection.
    pub barrier_ms: u64,
    /// After which an iopub connection without a client of its process is matched by user (tunnels).
    pub widen_after_ms: u64,
    /// How long a client without connections still counts as live.
    pub linger_ms: u64,
    /// How long a client whose connection broke is expected back, and what it is owed is kept. Sockets try again within a
    /// second; a laptop may sleep longer.
    pub expected_for_ms: u64,
    /// How long a client waits for a starting kernel before it is told what is known of its runtime.
    pub cold_start_ms: u64,
    /// Longest log of a kernel; as much of its end again is kept when it is shortened.
    #[serde(deserialize_with = "more_than_zero")]
    pub log_bytes: u64,
    /// How long an isolated kernel outlives its client: nobody else can ever use it. A laptop that was closed in the
    /// evening is opened the next morning.
    pub abandoned_after_ms: u64,
    /// Time for a kernel to come up.
    #[serde(deserialize_with = "more_than_zero")]
    pub launch_ms: u64,
    /// Time for a kernel to end when asked, before SIGTERM; again before SIGKILL.
    pub stop_ms: u64,
}

/// Reads a bound that would leave nothing if it were 0.
fn more_than_zero<'de, D: Deserializer<'de>, N: Deserialize<'de> + From<u8> + PartialEq>(
    deserializer: D,
) -> Result<N, D::Error> {
    let number = N::deserialize(deserializer)?;
    if number == N::from(0) { Err(de::Error::custom("it must be more than 0")) } else { Ok(number) }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 512 << 20,
            message_bytes: 1 << 30,
            message_parts: 16_384,
            unauthenticated_message_bytes: 16 << 20,
            unauthenticated_bytes: 64 << 20,
            unauthenticated_bytes_per_origin: 32 << 20,
            unauthenticated_connections: 16_384,
            unauthenticated_connections_per_origin: 8192,
            vouched_connections: 8,
            handshake_bytes: 4096,
            handshake_ms: 5_000,
            subscriptions: 64,
            topic_bytes: 1024,
            outbox_bytes: 64 << 20,
            replay_bytes: 16 << 20,
            replay_ms: 5 * 60 * 1000,
            held_bytes: 64 << 20,
            kernel_reads_ms: 10_000,
            requests_in_flight: 10_000,
            sessions_per_connection: 256,
            bad_messages: 3,
            remembered_signatures: 65_536,
            remembered_clients: 10_000,
            ping_after_ms: 30_000,
            stranger_message_ms: 10_000,
            heartbeat_bytes: 4 << 10,
            kernel_info_bytes: 1 << 20,
            barrier_ms: 500,
            widen_after_ms: 2_000,
            linger_ms: 30_000,
            expected_for_ms: 60 * 60 * 1000,
            cold_start_ms: 2_000,
            log_bytes: 10 << 20,
            abandoned_after_ms: 24 * 60 * 60 * 1000,
            launch_ms: 55_000,
            stop_ms: 3_000,
        }
    }
}

macro_rules! durations {
    ($($(#[$doc:meta])* $name:ident = $field:ident;)+) => {
        impl Limits {$(
            $(#[$doc])*
            pub fn $name(&self) -> Duration {
                Duration::from_millis(self.$field)
            }
        )+}
    };
}
durations! {
    /// See [`Limits::handshake_ms`].
    handshake = handshake_ms;
    /// See [`Limits::replay_bytes`].
    replay = replay_ms;
    /// See [`Limits::ping_after_ms`].
    ping_after = ping_after_ms;
    /// See [`Limits::stranger_message_ms`].
    stranger_message = stranger_message_ms;
    /// See [`Limits::kernel_reads_ms`].
    kernel_reads = kernel_reads_ms;
    /// See [`Limits::barrier_ms`].
    barrier = barrier_ms;
    /// See [`Limits::widen_after_ms`].
    widen_after = widen_after_ms;
    /// See [`Limits::linger_ms`].
    linger = linger_ms;
    /// See [`Limits::expected_for_ms`].
    expected_for = expected_for_ms;
    /// See [`Limits::cold_start_ms`].
    cold_start = cold_start_ms;
    /// See [`Limits::abandoned_after_ms`].
    abandoned_after = abandoned_after_ms;
    /// See [`Limits::launch_ms`].
    launch = launch_ms;
    /// See [`Limits::stop_ms`].
    stop = stop_ms;
}
