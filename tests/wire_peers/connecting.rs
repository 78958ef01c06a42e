//! We connect as DEALER, SUB and REQ; others bind as ROUTER, PUB and REP.

use bytes::Bytes;
use jupyter_fleet::{frames::Frames, jupyter::message::Envelope, zmtp::SocketType};

use crate::{
    ours::{PATIENCE, assert_same, connect, frames, message, sample, while_serving},
    theirs::{Kind, LIBRARIES, Library, Theirs},
};

/// Each library on tcp and on ipc.
fn everywhere() -> Vec<(Library, String, tempfile::TempDir)> {
    let both = |library| {
        ["tcp", "ipc"].map(|transport| {
            let directory = tempfile::tempdir().unwrap();
            let address = match transport {
                "tcp" => "tcp://127.0.0.1:0".to_owned(),
                _ => format!("ipc://{}", directory.path().join("socket").display()),
            };
            (library, address, directory)
        })
    };
    LIBRARIES.into_iter().flat_map(both).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_dealer_and_a_router() {
    for (library, address, _directory) in everywhere() {
        let mut router = Theirs::new(library, Kind::Router);
        let address = router.bind(&address).await;
        let mut dealer = connect(&address, SocketType::Dealer).await;
        let sent = sample();
        dealer.signed_outbox().send(&Envelope::default(), &sent).unwrap();
        let came = while_serving(&mut dealer, router.receive()).await;
        let with_identity = frames(&Envelope::topic(Bytes::from_static(b"ours")), &sent);
        assert!(came == with_identity, "{library:?}: our identity, then every frame as it was sent");
        let ((), came) = tokio::join!(router.send(came), message(&mut dealer));
        assert_same(came, &sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_sub_and_a_pub() {
    for (library, address, _directory) in everywhere() {
        let mut publisher = Theirs::new(library, Kind::Pub);
        let address = publisher.bind(&address).await;
        let mut sub = connect(&address, SocketType::Sub).await;
        sub.subscribe(b"kernel.");
        let sent = sample();
        let wanted = frames(&Envelope::topic("kernel.1".into()), &sent);
        // A PUB drops what it sends before the subscription has arrived, and does not tell: sent until it is heard.
        let came = tokio::time::timeout(PATIENCE, async {
            loop {
                publisher.send(frames(&Envelope::topic("other".into()), &sent)).await;
                publisher.send(wanted.clone()).await;
                let mut batch = Vec::new();
                let heard =
                    tokio::time::timeout(std::time::Duration::from_millis(50), sub.next(&mut batch)).await;
                if heard.is_ok() {
                    break batch.remove(0);
                }
            }
        });
        let came = came.await.expect("the subscription takes effect");
        let wanted: Frames = wanted.into_iter().map(Bytes::from).collect();
        assert!(
            came == jupyter_fleet::net::Event::Message(wanted),
            "{library:?}: only what was subscribed to"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_req_and_a_rep() {
    for (library, address, _directory) in everywhere() {
        let mut rep = Theirs::new(library, Kind::Rep);
        let address = rep.bind(&address).await;
        let mut req = connect(&address, SocketType::Req).await;
        let ping: Frames = [Bytes::new(), Bytes::from_static(b"ping")].into_iter().collect();
        req.echo_outbox().send(&ping).unwrap();
        let came = rep.receive().await;
        assert_eq!(came, [b"ping"], "{library:?}");
        rep.send(came).await;
        assert_eq!(message(&mut req).await, ping, "{library:?}");
    }
}
