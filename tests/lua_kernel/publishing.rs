//! iopub: topics, welcomes, and subscribers that do not keep up.
use std::collections::BTreeSet;

use bytes::Bytes;
use jupyter_fleet::{
    channel::Channel,
    jupyter::message::Unverified,
    limits::Limits,
    net::{Event, Peer, PeerSettings, dial},
    zmtp::{Local, SocketType},
};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::common::{Kernel, kernel::DEADLINE};

#[test]
fn a_subscriber_is_welcomed_and_topics_name_the_kernel() {
    let kernel = Kernel::start();
    let client = kernel.client();
    assert_eq!(client.welcome.msg_type, "iopub_welcome");
    assert_eq!(client.welcome.content["subscription"], "");
    let ran = client.execute("print('x') return 1");
    let kinds: BTreeSet<&str> =
        ran.iopub.iter().map(|message| message.topic.splitn(3, '.').last().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["execute_input", "execute_result", "status", "stream.stdout"]));
    assert!(ran.iopub.iter().all(|message| message.topic.starts_with("kernel.")));
}

async fn subscriber(kernel: &Kernel, topic: &[u8]) -> Peer {
    let local = Local::new(SocketType::Sub, Bytes::new(), 512);
    let address = kernel.file.address(Channel::IoPub);
    let settings = PeerSettings::new(&Limits::default());
    let peer = dial(&address, &local, &settings, Instant::now() + DEADLINE).await.unwrap();
    peer.subscribe(topic);
    peer
}

/// The type and content of what arrives next.
async fn next(peer: &mut Peer) -> Vec<(String, Value)> {
    let mut batch = Vec::new();
    assert!(timeout(DEADLINE, peer.next(&mut batch)).await.expect("a message is due").unwrap());
    let messages = batch.into_iter().map(|event| {
        let Event::Message(frames) = event else { panic!("{event:?}") };
        // The parts after delimiter and signature: what is tested here is not the signature.
        let parts: Vec<Bytes> = frames.iter().skip_while(|part| &part[..] != b"<IDS|MSG>").cloned().collect();
        assert!(Unverified::split(frames).is_ok());
        let read = |part: &Bytes| serde_json::from_slice::<Value>(part).unwrap();
        (read(&parts[2])["msg_type"].as_str().unwrap().to_owned(), read(&parts[5]))
    });
    messages.collect()
}

#[test]
fn subscriptions_are_prefixes_of_topics() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let id = client.welcome.topic.clone();
    assert_eq!(id, "");
    let topic = client.execute("x = 1").iopub[0].topic.replace("status", "stream.stdout");
    let mut peer = kernel.runtime.block_on(subscriber(&kernel, topic.as_bytes()));
    let welcome = kernel.runtime.block_on(next(&mut peer));
    assert_eq!(welcome[0].1["subscription"], topic.as_str());
    client.execute("print('a') io.stderr:write('b') print('c')");
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(kernel.runtime.block_on(next(&mut peer)));
    }
    let texts: Vec<&Value> = heard.iter().map(|(_, content)| &content["text"]).collect();
    assert_eq!(texts, ["a\n", "c\n"]);
}

#[test]
fn a_subscriber_that_does_not_read_slows_nobody_and_is_told_what_it_missed() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let mut slow = kernel.runtime.block_on(subscriber(&kernel, b""));
    let welcome = kernel.runtime.block_on(next(&mut slow));
    assert_eq!(welcome[0].0, "iopub_welcome");
    // More than an outbox and the sockets' buffers hold.
    let ran = client.execute("local s = ('x'):rep(1 << 20) for i = 1, 100 do io.write(s) io.flush() end");
    assert_eq!(ran.text("stdout").len(), 100 << 20);

    let (mut heard, mut dropped, mut idle) = (0, 0, false);
    while !idle {
        for (msg_type, content) in kernel.runtime.block_on(next(&mut slow)) {
            if content["name"] == "stderr" {
                let count = content["text"].as_str().unwrap().split(' ').next().unwrap();
                dropped += count.parse::<usize>().unwrap();
                continue;
            }
            heard += 1;
            idle = msg_type == "status" && content["execution_state"] == "idle";
        }
    }
    assert!(dropped > 10, "{dropped}");
    assert_eq!(heard + dropped, ran.iopub.len());
}
