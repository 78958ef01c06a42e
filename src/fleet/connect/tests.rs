use std::{net::Ipv4Addr, sync::Arc};

use jupyter_protocol::ExecutionState;
use tokio::task::JoinSet;

use super::*;
use crate::{
    jupyter::{message::Body, scheme::SecretKey},
    net::{Gatehouse, Listener, bind_channels},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A kernel to whose first question it had said all on iopub before anyone listened.
struct Kernel {
    signer: Signer,
    voice: Voice,
    gatehouse: Gatehouse,
}

impl Kernel {
    async fn accept(&self, listener: Listener, socket: SocketType) -> Peer {
        let local = Local::new(socket, Bytes::new(), 1000);
        self.gatehouse.admit(listener.accept().await, local).await.unwrap().0
    }

    fn say(&self, peer: &Peer, envelope: &Envelope, body: Body) {
        peer.signed_outbox().send(envelope, &self.signer.sign(body)).unwrap();
    }

    /// Answers what comes on shell; publishes what it does from the second question on. Returns how many there were.
    async fn answer(&self, mut shell: Peer, mut iopub: Peer) -> usize {
        assert!(iopub.next(&mut Vec::new()).await.unwrap(), "it is subscribed to");
        let said = |body| self.say(&iopub, &Envelope::default(), body);
        said(self.voice.status(ExecutionState::Starting, &Bytes::new()));
        let (mut asked, mut batch) = (0, Vec::new());
        while let Ok(true) = shell.next(&mut batch).await {
            for event in batch.drain(..) {
                let Event::Message(frames) = event else { continue };
                let request = self.signer.verify(Unverified::split(frames).unwrap()).unwrap();
                let parent = request.body().header();
                asked += 1;
                let reply =
                    self.voice.say_raw("kernel_info_reply", serde_json::json!({ "asked": asked }), parent);
                self.say(&shell, request.envelope(), reply);
                if asked > 1 {
                    said(self.voice.status(ExecutionState::Busy, parent));
                    said(self.voice.status(ExecutionState::Idle, parent));
                }
            }
        }
        asked
    }
}

#[tokio::test]
async fn a_kernel_that_had_spoken_before_anyone_listened_is_asked_once_more() {
    let address = Address::Tcp(Ipv4Addr::LOCALHOST.into());
    let (listeners, ports) = bind_channels(&address, None).await.unwrap();
    let file = ConnectionFile::new(address, ports, SecretKey::new("a key")).unwrap();
    let kernel = Arc::new(Kernel {
        signer: Signer::new(file.signature_scheme, file.signing_key().unwrap()),
        voice: Voice::new("kernel"),
        gatehouse: Gatehouse::new(&Limits::default()),
    });
    let mut accepting = JoinSet::new();
    for (channel, listener) in listeners {
        let socket = match channel {
            Channel::IoPub => SocketType::XPub,
            Channel::Heartbeat => SocketType::Rep,
            _ => SocketType::Router,
        };
        let kernel = kernel.clone();
        accepting.spawn(async move { (channel, kernel.accept(listener, socket).await) });
    }
    let asked = tokio::spawn(async move {
        let mut peers = accepting.join_all().await;
        let mut take = |wanted| {
            let at = peers.iter().position(|(channel, _)| *channel == wanted).unwrap();
            peers.swap_remove(at).1
        };
        kernel.answer(take(Channel::Shell), take(Channel::IoPub)).await
    });
    let (id, connection) = (KernelId::random(), Connection::Given(Box::new(file)));
    let channels =
        connect(&id, &connection, None, &Limits::default(), Instant::now() + DEADLINE).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&channels.info).unwrap();
    drop(channels);
    let asked = timeout(DEADLINE, asked).await.unwrap().unwrap();
    assert!(asked > 1, "its first answer says nothing of whether iopub is heard");
    assert_eq!(info["asked"], asked, "what it published of the last question has been heard to its end");
}
