//! Our end: listeners and dialled peers, and the messages that they exchange.

use std::time::Duration;

use bytes::Bytes;
use jupyter_fleet::{
    frames::Frames,
    jupyter::{
        address::Address,
        message::{Envelope, Signed, Unverified},
        reply::MessageBuilder,
        scheme::{SecretKey, SignatureScheme},
        signature::Signer,
    },
    limits::Limits,
    net::{Acceptor, Event, Listener, Peer, PeerSettings, dial},
    zmtp::{Local, SocketType},
};
use tokio::time::{Instant, timeout};

pub const PATIENCE: Duration = Duration::from_secs(10);

/// Where both ends meet: any free port, or a path in a directory that lives as long as this.
pub struct Destination {
    pub address: Address,
    _directory: tempfile::TempDir,
}

pub fn places() -> [Destination; 2] {
    let place = |address: fn(&tempfile::TempDir) -> Address| {
        let directory = tempfile::tempdir().unwrap();
        Destination { address: address(&directory), _directory: directory }
    };
    [
        place(|_| Address::Tcp("127.0.0.1:0".parse().unwrap())),
        place(|directory| Address::Ipc(directory.path().join("socket"))),
    ]
}

pub fn local(socket: SocketType) -> Local {
    Local::new(socket, Bytes::from_static(b"ours"), 1000)
}

/// Accepts one connection as `socket`.
pub async fn accept(listener: &Listener, socket: SocketType) -> Peer {
    let acceptor = Acceptor::new(&Limits::default());
    let stream = timeout(PATIENCE, listener.accept()).await.expect("nobody connects");
    let mut peer = acceptor.admit(stream, local(socket)).await.expect("hands are shaken").0;
    peer.trust();
    peer
}

pub async fn connect(address: &str, socket: SocketType) -> Peer {
    let address = match address.strip_prefix("tcp://") {
        Some(address) => Address::Tcp(address.parse().unwrap()),
        None => Address::Ipc(address.strip_prefix("ipc://").unwrap().into()),
    };
    let settings = PeerSettings::new(&Limits::default());
    dial(&address, &local(socket), &settings, Instant::now() + PATIENCE).await.expect("connects")
}

/// The next event, with a deadline.
pub async fn next(peer: &mut Peer) -> Event {
    let mut batch = Vec::new();
    assert!(timeout(PATIENCE, peer.next(&mut batch)).await.expect("in time").expect("no error"), "closed");
    assert_eq!(batch.len(), 1, "one at a time");
    batch.remove(0)
}

pub async fn message(peer: &mut Peer) -> Frames {
    match next(peer).await {
        Event::Message(frames) => frames,
        other => panic!("a message was due, not {other:?}"),
    }
}

pub fn signer() -> Signer {
    Signer::new(SignatureScheme::HmacSha256, SecretKey::new("a key").as_ref())
}

/// A message with an empty, a short, a long and a very long buffer.
pub fn sample() -> Signed {
    let buffers = [0, 1, 255, 256, 70_000, 3 << 20].map(|length| Bytes::from(vec![7_u8; length]));
    let body = MessageBuilder::new("us").say_with(
        jupyter_protocol::Status::idle(),
        &Bytes::new(),
        serde_json::json!({}),
        buffers.to_vec(),
    );
    signer().sign(body)
}

/// The frames of [`sample`] behind an envelope, as a peer is to see them.
pub fn frames(envelope: &Envelope, message: &Signed) -> Vec<Vec<u8>> {
    envelope.frames().iter().chain(message.frames()).map(|frame| frame.to_vec()).collect()
}

/// Verifies what came back and compares it with what was sent, byte by byte.
pub fn assert_same(came: Frames, sent: &Signed) {
    let verified = signer().verify(Unverified::split(came).unwrap()).unwrap();
    assert_eq!(verified.body(), sent.body());
}

/// What another socket receives while our connection is served: a message longer than the socket's buffer leaves only so.
pub async fn while_serving<T>(peer: &mut Peer, receives: impl Future<Output = T>) -> T {
    let mut batch = Vec::new();
    let serve = async {
        while peer.next(&mut batch).await.expect("no error") {
            assert!(batch.is_empty(), "nothing was to come: {batch:?}");
        }
        panic!("the connection ended");
    };
    tokio::select! {
        received = receives => received,
        () = serve => unreachable!("it panics"),
    }
}
