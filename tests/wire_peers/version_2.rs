//! Peers of ZMTP 2.0, byte by byte: no library of today speaks it.

use std::time::Duration;

use bytes::Bytes;
use jupyter_fleet::{
    frames::Frames,
    jupyter::{address::Address, message::Envelope},
    limits::Limits,
    net::{Event, Listener, Peer, PeerSettings, dial},
    zmtp::{SocketType, Version},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::ours::{PATIENCE, accept, assert_same, frames, local, message, next, sample, while_serving};

const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];

/// The numbers of socket types (RFC 15).
const PUB: u8 = 1;
const SUB: u8 = 2;
const REQ: u8 = 3;
const REP: u8 = 4;
const DEALER: u8 = 5;
const ROUTER: u8 = 6;

/// So short a silence that a peer which knows PING gets several.
const PING_AFTER: Duration = Duration::from_millis(20);

/// The length of a greeting of version 3.
const GREETING_BYTES: usize = 64;

/// The other end, which takes turns as libzmq 3.2 does: it waits for our signature before it tells its version.
struct Old(TcpStream);

impl Old {
    async fn greet(mut stream: TcpStream, socket: u8, ours: u8) -> Self {
        stream.write_all(&SIGNATURE).await.unwrap();
        let mut old = Self(stream);
        old.expect(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3]).await;
        old.say(&[1, socket]).await;
        old.expect(&[ours]).await;
        old.say(b"\0\x06theirs").await;
        // Only types with a routing id tell it.
        if ours == PUB || ours == REP || ours == SUB {
            old.expect(b"\0\0").await;
        } else {
            old.expect(b"\0\x04ours").await;
        }
        old
    }

    async fn connect(address: &str, socket: u8, ours: u8) -> Self {
        let address = address.strip_prefix("tcp://").unwrap();
        Self::greet(TcpStream::connect(address).await.unwrap(), socket, ours).await
    }

    async fn accept(listener: &TcpListener, socket: u8, ours: u8) -> Self {
        let accepted = timeout(PATIENCE, listener.accept()).await.expect("nobody connects").unwrap();
        Self::greet(accepted.0, socket, ours).await
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn expect(&mut self, expected: &[u8]) {
        let mut came = vec![0; expected.len()];
        timeout(PATIENCE, self.0.read_exact(&mut came)).await.expect("in time").expect("a whole answer");
        assert!(came == expected, "{came:02x?} came, {expected:02x?} was due");
    }
}

/// A message as RFC 15 has it.
fn encoded(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let more = u8::from(index + 1 < frames.len());
        match u8::try_from(frame.len()) {
            Ok(short) => wire.extend([more, short]),
            Err(_) => {
                wire.push(more | 2);
                wire.extend((frame.len() as u64).to_be_bytes());
            }
        }
        wire.extend(frame);
    }
    wire
}

async fn anywhere() -> Listener {
    Listener::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap())).await.unwrap()
}

async fn dialled(listener: &TcpListener, socket: SocketType, ping_after: Duration) -> Peer {
    let address = Address::Tcp(listener.local_addr().unwrap());
    let settings = PeerSettings { ping_after, ..PeerSettings::new(&Limits::default()) };
    dial(&address, &local(socket), &settings, Instant::now() + PATIENCE).await.expect("connects")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_dealer_and_our_router() {
    let listener = anywhere().await;
    let address = listener.address().to_string();
    let (mut router, mut dealer) =
        tokio::join!(accept(&listener, SocketType::Router), Old::connect(&address, DEALER, ROUTER));
    assert_eq!((router.remote().version, &router.remote().identity[..]), (Version::V2_0, &b"theirs"[..]));

    let (sent, bare) = (sample(), Envelope::default());
    let wire = encoded(&frames(&bare, &sent));
    let ((), came) = tokio::join!(dealer.say(&wire), message(&mut router));
    assert_same(came, &sent);

    let envelope = Envelope::topic(Bytes::new());
    router.signed_outbox().send(&envelope, &sent).unwrap();
    while_serving(&mut router, dealer.expect(&encoded(&frames(&envelope, &sent)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_sub_and_our_xpub() {
    let listener = anywhere().await;
    let address = listener.address().to_string();
    let (mut publisher, mut sub) =
        tokio::join!(accept(&listener, SocketType::XPub), Old::connect(&address, SUB, PUB));
    for (first, event) in [(1, Event::Subscribe as fn(Bytes) -> Event), (0, Event::Cancel)] {
        sub.say(&[0, 8, first]).await;
        sub.say(b"kernel.").await;
        assert_eq!(next(&mut publisher).await, event(Bytes::from_static(b"kernel.")));
    }
    let (envelope, sent) = (Envelope::topic("kernel.1.stream".into()), sample());
    publisher.signed_outbox().send(&envelope, &sent).unwrap();
    while_serving(&mut publisher, sub.expect(&encoded(&frames(&envelope, &sent)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_req_and_our_rep() {
    let listener = anywhere().await;
    let address = listener.address().to_string();
    let (mut rep, mut req) =
        tokio::join!(accept(&listener, SocketType::Rep), Old::connect(&address, REQ, REP));
    req.say(b"\x01\0\0\x04ping").await;
    let echo = message(&mut rep).await;
    rep.echo_outbox().send(&echo).unwrap();
    req.expect(b"\x01\0\0\x04ping").await;
}

/// Three PINGs to a peer of version 3.1.
async fn three_pings(listener: &TcpListener) {
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.expect("nobody connects").unwrap();
    let mut hello = [&SIGNATURE[..], &[3, 1], b"NULL"].concat();
    hello.resize(GREETING_BYTES, 0);
    hello.extend(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER");
    stream.write_all(&hello).await.unwrap();
    stream.read_exact(&mut [0; GREETING_BYTES]).await.unwrap();
    let mut pings = 0;
    while pings < 3 {
        let [_, length] = {
            let mut header = [0; 2];
            stream.read_exact(&mut header).await.unwrap();
            header
        };
        let mut body = vec![0; length.into()];
        stream.read_exact(&mut body).await.unwrap();
        pings += usize::from(body.starts_with(b"\x04PING"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_dealer_and_an_old_router_that_gets_no_ping() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut dealer, mut router) = tokio::join!(
        dialled(&listener, SocketType::Dealer, PING_AFTER),
        Old::accept(&listener, ROUTER, DEALER)
    );
    let modern = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pinged = async {
        let pings = three_pings(&modern);
        let serve = async {
            let mut to_modern = dialled(&modern, SocketType::Dealer, PING_AFTER).await;
            let _ = to_modern.next(&mut Vec::new()).await;
            panic!("the connection ended");
        };
        tokio::select! { () = pings => {}, () = serve => {} }
    };
    tokio::select! {
        () = pinged => {}
        () = while_serving(&mut dealer, router.expect(b"?")) => {}
    }

    let (sent, bare) = (sample(), Envelope::default());
    dealer.signed_outbox().send(&bare, &sent).unwrap();
    while_serving(&mut dealer, router.expect(&encoded(&frames(&bare, &sent)))).await;
    let wire = encoded(&frames(&bare, &sent));
    let ((), came) = tokio::join!(router.say(&wire), message(&mut dealer));
    assert_same(came, &sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_sub_and_an_old_pub() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut sub, mut publisher) = tokio::join!(
        dialled(&listener, SocketType::Sub, Duration::from_secs(60)),
        Old::accept(&listener, PUB, SUB)
    );
    sub.subscribe(b"kernel.");
    publisher.expect(b"\0\x08\x01kernel.").await;
    publisher.say(b"\x01\x08kernel.1\0\x02hi").await;
    let expected: Frames = [&b"kernel.1"[..], b"hi"].map(Bytes::from_static).into_iter().collect();
    assert_eq!(message(&mut sub).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_req_and_an_old_rep() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut req, mut rep) = tokio::join!(
        dialled(&listener, SocketType::Req, Duration::from_secs(60)),
        Old::accept(&listener, REP, REQ)
    );
    let ping: Frames = [Bytes::new(), Bytes::from_static(b"ping")].into_iter().collect();
    req.echo_outbox().send(&ping).unwrap();
    rep.expect(b"\x01\0\0\x04ping").await;
    rep.say(b"\x01\0\0\x04ping").await;
    assert_eq!(message(&mut req).await, ping);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_after_the_handshake_ends_the_connection() {
    let listener = anywhere().await;
    let address = listener.address().to_string();
    let (mut router, mut dealer) =
        tokio::join!(accept(&listener, SocketType::Router), Old::connect(&address, DEALER, ROUTER));
    dealer.say(b"\x04\x07\x04PING\0\0").await;
    let refused = timeout(PATIENCE, router.next(&mut Vec::new())).await.expect("in time").unwrap_err();
    assert!(refused.to_string().contains("flags 0x04"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_of_zmtp_1_is_refused_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let ancient = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"\x01\0").await.unwrap();
        stream
    };
    let settings = PeerSettings::new(&Limits::default());
    let ours = local(SocketType::Dealer);
    let (refused, _kept) = tokio::join!(dial(&address, &ours, &settings, Instant::now() + PATIENCE), ancient);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("the peer speaks ZMTP 1"), "{refused}");
}
