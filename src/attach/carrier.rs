//! What all tasks of an attachment share.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    connection::Connections,
    error::AttachError,
    in_flight::InFlight,
    line::{Card, Line},
    name::client_name,
    publisher::Publisher,
    run::Options,
    upstream::{Held, Sent, Upstream},
};
use crate::{
    channel::Channel,
    jupyter::{
        connection_file::{ConnectionFile, Ports},
        message::{Body, Envelope},
        replay::Replays,
        reply::Voice,
        signature::Signer,
    },
    limits::Limits,
    route::Attachment,
    runtimes::FileError,
};

/// Carries messages between a host and a fleet. No lock is held across an await, and of two that are held at once none
/// is taken in another order than connections, in flight, upstream.
pub(super) struct Carrier {
    pub(super) limits: Limits,
    /// The ports that the host was given.
    pub(super) ports: Ports,
    /// Checks and makes the signatures of the host's messages.
    pub(super) signer: Signer,
    /// What has come from the host: the fleet ends the line of whoever repeats messages, for all who use it.
    pub(super) replays: Mutex<Replays>,
    /// Says what neither the host nor the fleet says. Answers to its session are not passed on.
    pub(super) voice: Voice,
    pub(super) publisher: Publisher,
    pub(super) connections: Mutex<Connections>,
    pub(super) in_flight: Mutex<InFlight>,
    pub(super) upstream: Mutex<Upstream>,
    /// Something waits that would be answered with an error if there is still no fleet.
    pub(super) wanted: Notify,
    /// The fleet has read all requests on shell before this number.
    pub(super) read: watch::Sender<u64>,
    /// The kernel has answered a probe.
    pub(super) probed: Notify,
    /// The host has asked for the end, and starts us again by itself if it wants that.
    pub(super) parting: AtomicBool,
    /// It wants no kernel any more: nothing else that it says goes to the fleet.
    pub(super) leaving: AtomicBool,
    /// When this process came into being.
    pub(super) since: SystemTime,
    /// The host needs us no more.
    pub(super) ended: CancellationToken,
    /// The fleet's connection file.
    pub(super) fleet_file: PathBuf,
    /// How we present ourselves to the fleet.
    pub(super) card: Card,
    /// The kernel that is asked for, as routing metadata.
    pub(super) wishes: Map<String, Value>,
    /// How long a fleet that went away is waited for.
    pub(super) patience: Duration,
    /// The program that starts a fleet, if one may be started.
    pub(super) starter: Option<PathBuf>,
}

impl Carrier {
    /// One for the host that wrote this connection file.
    pub(super) fn new(options: Options, file: &ConnectionFile) -> Result<Arc<Self>, AttachError> {
        let path = options.connection_file;
        let key =
            file.signing_key().map_err(|cause| FileError::ConnectionFile { path: path.clone(), cause })?;
        let signer = Signer::new(file.signature_scheme, key);
        let voice = Voice::new("jupyter-fleet");
        let limits = Limits::default();
        let name = client_name(&path, file);
        let attachment = Attachment::text(&name, &options.wishes, options.directory.as_deref());
        Ok(Arc::new(Self {
            publisher: Publisher::new(voice.clone(), signer.clone()),
            replays: Mutex::new(Replays::new(limits.remembered_signatures)),
            connections: Mutex::new(Connections::starting_at(first_number())),
            in_flight: Mutex::new(InFlight::new(limits.requests_in_flight)),
            upstream: Mutex::new(Upstream::Away(Held::default())),
            wanted: Notify::new(),
            read: watch::Sender::new(0),
            probed: Notify::new(),
            parting: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            since: SystemTime::now(),
            ended: CancellationToken::new(),
            ports: file.ports(),
            fleet_file: options.fleet_file,
            card: Card { identity: name.into(), attachment: attachment.into() },
            wishes: options.wishes,
            patience: options.patience,
            starter: options.starter,
            signer,
            voice,
            limits,
        }))
    }

    /// Interrupts the kernel on our own account: this process was sent SIGINT.
    pub(super) fn interrupt(&self) {
        if self.upstream.lock().is_away() {
            return self.interrupt_while_away();
        }
        let request = self.voice.say_raw("interrupt_request", json!({}), &Bytes::new());
        self.say_to_fleet(Channel::Control, request);
    }

    /// The fleet is there. It is asked who the kernel is, so that one is launched before the host asks, and is sent what
    /// has waited.
    pub(super) fn connect(&self, line: &Arc<Line>) {
        let content = jupyter_protocol::UnknownMessage {
            msg_type: "kernel_info_request".to_owned(),
            content: json!({}),
        };
        let metadata = json!({ "fleet": self.wishes });
        let asked = self.voice.say_with(content, &Bytes::new(), metadata, Vec::new());
        if !self.leaving.load(Ordering::Relaxed) {
            // A line that has ended already is noticed by those who read it.
            let _ = line.outbox(Channel::Shell).send(&Envelope::default(), &line.signer.sign(asked));
        }
        self.upstream.lock().connect(line.clone());
    }

    /// The fleet is away, and may not have read all that it was sent.
    pub(super) fn disconnect(&self, line: &Arc<Line>) {
        let mut in_flight = self.in_flight.lock();
        let mut upstream = self.upstream.lock();
        upstream.disconnect(line);
        in_flight.line_ended(*self.read.borrow(), |request| upstream.holds(&request.header));
    }

    pub(super) fn say_to_fleet(&self, channel: Channel, body: Body) {
        self.send_to_fleet(channel, Envelope::default(), body);
    }

    /// Sends a message, or has it wait for the fleet if there is room.
    pub(super) fn send_to_fleet(&self, channel: Channel, envelope: Envelope, body: Body) {
        let most = self.limits.held_bytes;
        let sent = self.upstream.lock().send(channel, envelope, body, most);
        if let Sent::Queued(outbox) = sent {
            outbox.flush();
        }
    }
}

/// A number that no earlier process of the same host has come near.
fn first_number() -> u64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    high & !u64::from(u32::MAX)
}
