//! Whoever does not hold the key, and the channel that needs none.
use bytes::Bytes;
use jupyter_fleet::{
    channel::Channel,
    jupyter::{
        message::Envelope,
        scheme::{SecretKey, SignatureScheme},
        signature::Signer,
    },
    limits::Limits,
    net::{PeerSettings, dial},
    zmtp::{Local, SocketType},
};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::common::{Client, Kernel, kernel::DEADLINE};

#[test]
fn the_heartbeat_echoes_anything() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let heartbeat = client.socket(Channel::Heartbeat);
    for beat in [&b"ping"[..], b"", b"\0\xff"] {
        heartbeat.send(beat, 0).unwrap();
        assert_eq!(heartbeat.recv_bytes(0).unwrap(), beat);
    }
}

#[test]
fn another_key_gets_no_answer_and_the_third_try_ends_the_connection() {
    let kernel = Kernel::start();
    let wrong = Signer::new(SignatureScheme::default(), SecretKey::new("another key").as_ref());
    let stranger = Client::unwelcome(&kernel.file, wrong);
    for channel in [Channel::Shell, Channel::Control, Channel::Stdin] {
        kernel.runtime.block_on(async {
            let local = Local::new(SocketType::Dealer, Bytes::new(), 512);
            let settings = PeerSettings::new(&Limits::default());
            let address = kernel.file.address(channel);
            let mut peer = dial(&address, &local, &settings, Instant::now() + DEADLINE).await.unwrap();
            for _ in 0..Limits::default().bad_messages {
                let (_, message) = stranger.message("kernel_info_request", json!({}));
                peer.signed_outbox().send(&Envelope::default(), &message).unwrap();
            }
            let mut heard = Vec::new();
            let ended = timeout(DEADLINE, peer.next(&mut heard)).await.expect("the connection ends");
            assert!(!ended.unwrap_or(false) && heard.is_empty(), "{heard:?}");
        });
    }
    let client = kernel.client();
    assert_eq!(client.execute("1").value(), "1");
}

#[test]
fn nonsense_ends_at_most_its_own_connection() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let stranger = Client::unwelcome(&kernel.file, client.signer.clone());
    stranger.socket(Channel::Shell).send_multipart([&b"no delimiter"[..]], 0).unwrap();
    stranger.socket(Channel::Shell).send_multipart([&b"<IDS|MSG>"[..], b"", b"{}"], 0).unwrap();
    // Two wrong messages are forgiven.
    assert_eq!(stranger.ask(Channel::Shell, "comm_info_request", json!({}))["status"], "ok");
    assert_eq!(client.execute("1").value(), "1");
}
