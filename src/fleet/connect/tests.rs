use std::net::Ipv4Addr;

use jupyter_protocol::ExecutionState;
use tokio::sync::mpsc;

use super::*;
use crate::{
    jupyter::{message::Body, scheme::SecretKey},
    net::{Acceptor, Incoming, Server},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A kernel to whose first question it had said all on iopub before anyone listened.
struct Kernel {
    signer: Signer,
    builder: MessageBuilder,
}

impl Kernel {
    fn say(&self, peer: &Peer, envelope: &Envelope, body: Body) {
        peer.signed_outbox().send(envelope, &self.signer.sign(body)).unwrap();
    }

    /// Answers what comes on shell; publishes what it does from the second question on. Returns how many there were.
    async fn answer(&self, mut shell: Peer, mut iopub: Peer) -> usize {
        assert!(iopub.next(&mut Vec::new()).await.unwrap(), "it is subscribed to");
        let said = |body| self.say(&iopub, &Envelope::default(), body);
        said(self.builder.status(ExecutionState::Starting, &Bytes::new()));
        let (mut asked, mut batch) = (0, Vec::new());
        while let Ok(true) = shell.next(&mut batch).await {
            for event in batch.drain(..) {
                let Event::Message(frames) = event else { continue };
                let request = self.signer.verify(Unverified::split(frames).unwrap()).unwrap();
                let parent = request.body().header();
                asked += 1;
                let reply =
                    self.builder.say_raw("kernel_info_reply", serde_json::json!({ "asked": asked }), parent);
                self.say(&shell, request.envelope(), reply);
                if asked > 1 {
                    said(self.builder.status(ExecutionState::Busy, parent));
                    said(self.builder.status(ExecutionState::Idle, parent));
                }
            }
        }
        asked
    }
}

#[tokio::test]
async fn a_kernel_that_had_spoken_before_anyone_listened_is_asked_once_more() {
    let location = Location::Tcp(Ipv4Addr::LOCALHOST.into());
    let server = Server::bind(&location, None).await.unwrap();
    let file = ConnectionFile::new(location, server.ports(), SecretKey::new("a key")).unwrap();
    let kernel = Kernel {
        signer: Signer::new(file.signature_scheme, file.signing_key().unwrap()),
        builder: MessageBuilder::new("kernel"),
    };
    let (admit, mut admitted) = mpsc::unbounded_channel();
    let accepting = tokio::spawn(async move {
        let handler = |incoming: Incoming| {
            let admit = admit.clone();
            async move {
                let channel = incoming.channel();
                admit.send((channel, incoming.admit().await.unwrap().0)).unwrap();
            }
        };
        server.serve(&Acceptor::new(&Limits::default()), handler).await;
    });
    let asked = tokio::spawn(async move {
        let mut peers = Vec::new();
        while peers.len() < Channel::ALL.len() {
            peers.push(admitted.recv().await.unwrap());
        }
        let mut take = |wanted| {
            let at = peers.iter().position(|(channel, _)| *channel == wanted).unwrap();
            peers.swap_remove(at).1
        };
        kernel.answer(take(Channel::Shell), take(Channel::IoPub)).await
    });
    let (id, connection) = (KernelId::random(), ConnectionInfo::Given(Box::new(file)));
    let channels =
        connect(&id, &connection, None, &Limits::default(), Instant::now() + DEADLINE).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(channels.info.as_ref().unwrap()).unwrap();
    drop(channels);
    accepting.abort();
    let asked = timeout(DEADLINE, asked).await.unwrap().unwrap();
    assert!(asked > 1, "its first answer says nothing of whether iopub is heard");
    assert_eq!(info["asked"], asked, "what it published of the last question has been heard to its end");
}
