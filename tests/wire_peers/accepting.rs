//! We listen as ROUTER, XPUB and REP; others connect as DEALER, SUB and REQ.

use bytes::Bytes;
use jupyter_fleet::{
    jupyter::message::Envelope,
    net::{Event, Listener},
    zmtp::{SocketType, Version},
};

use crate::{
    ours::{accept, assert_same, frames, message, next, places, sample, while_serving},
    theirs::{Kind, LIBRARIES, Library, Theirs},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dealer_and_our_router() {
    for (library, place) in LIBRARIES.into_iter().flat_map(|library| places().map(|place| (library, place))) {
        let listener = Listener::bind(&place.address).await.unwrap();
        let address = listener.address().to_string();
        let mut dealer = Theirs::new(library, Kind::Dealer);
        let (mut router, ()) = tokio::join!(accept(&listener, SocketType::Router), dealer.connect(&address));
        assert_eq!(router.remote().identity, "theirs", "{library:?}");
        let version = if library == Library::Libzmq { Version::V3_1 } else { Version::V3_0 };
        assert_eq!(router.remote().version, version);

        let sent = sample();
        let ((), came) = tokio::join!(dealer.send(frames(&Envelope::default(), &sent)), message(&mut router));
        assert_same(came, &sent);

        let envelope = Envelope::topic(Bytes::new());
        router.signed_outbox().send(&envelope, &sent).unwrap();
        let came = while_serving(&mut router, dealer.receive()).await;
        assert!(came == frames(&envelope, &sent), "{library:?}: every frame comes as it was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sub_and_our_xpub() {
    for (library, place) in LIBRARIES.into_iter().flat_map(|library| places().map(|place| (library, place))) {
        let listener = Listener::bind(&place.address).await.unwrap();
        let address = listener.address().to_string();
        let mut sub = Theirs::new(library, Kind::Sub);
        let (mut publisher, ()) = tokio::join!(accept(&listener, SocketType::XPub), sub.connect(&address));
        sub.subscribe("kernel.").await;
        assert_eq!(
            next(&mut publisher).await,
            Event::Subscribe(Bytes::from_static(b"kernel.")),
            "{library:?}"
        );

        let (envelope, sent) = (Envelope::topic("kernel.1.stream".into()), sample());
        publisher.signed_outbox().send(&envelope, &sent).unwrap();
        let came = while_serving(&mut publisher, sub.receive()).await;
        assert!(came == frames(&envelope, &sent), "{library:?}: every frame comes as it was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_req_and_our_rep() {
    for (library, place) in LIBRARIES.into_iter().flat_map(|library| places().map(|place| (library, place))) {
        let listener = Listener::bind(&place.address).await.unwrap();
        let address = listener.address().to_string();
        let mut req = Theirs::new(library, Kind::Req);
        let (mut rep, ()) = tokio::join!(accept(&listener, SocketType::Rep), req.connect(&address));
        for ping in [&b"ping"[..], b"", b"again"] {
            req.send(vec![ping.to_vec()]).await;
            let echo = message(&mut rep).await;
            assert_eq!(echo.to_vec(), [Bytes::new(), Bytes::from(ping)], "{library:?}");
            rep.echo_outbox().send(&echo).unwrap();
            assert_eq!(req.receive().await, [ping], "{library:?}");
        }
    }
}
