use std::{net::IpAddr, net::Ipv4Addr, num::NonZeroU16};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::{
    id::Origin,
    jupyter::{connection_file::ConnectionFile, reply::MessageBuilder, scheme::SecretKey, signature::Signer},
    limits::Limits,
    net::{Event, Peer, PeerSettings, dial},
    zmtp::{Local, SocketType},
};

const LOOPBACK: Location = Location::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));

async fn dialled(file: &ConnectionFile, channel: Channel, socket: SocketType) -> Peer {
    let limits = Limits::default();
    let local = Local::new(socket, Bytes::new(), limits.handshake_bytes);
    let deadline = Instant::now() + Duration::from_secs(10);
    let settings = PeerSettings::dialling(&limits, socket);
    dial(&file.address(channel), &local, &settings, deadline).await.unwrap()
}

fn file(address: &Location, server: &Server) -> ConnectionFile {
    ConnectionFile::new(address.clone(), server.ports(), Some(SecretKey::random().unwrap())).unwrap()
}

/// Serves with a handler that tells which channels were connected to, until the first is.
async fn first_admitted(server: &Server, connects: impl Future<Output = Peer>) -> (Channel, Origin) {
    let (told, mut admitted) = mpsc::unbounded_channel();
    let handler = |incoming: Incoming| {
        let told = told.clone();
        async move {
            let channel = incoming.channel();
            let (_peer, origin) = incoming.admit().await.unwrap();
            told.send((channel, origin)).unwrap();
        }
    };
    let acceptor = Acceptor::new(&Limits::default());
    let first = async { tokio::join!(connects, admitted.recv()).1.unwrap() };
    tokio::select! {
        () = server.serve(&acceptor, handler) => unreachable!(),
        first = first => first,
    }
}

#[tokio::test]
async fn a_connection_is_handed_over_with_its_channel_and_origin() {
    let server = Server::bind(&LOOPBACK, None).await.unwrap();
    let file = file(&LOOPBACK, &server);
    for (channel, socket) in [(Channel::Control, SocketType::Dealer), (Channel::IoPub, SocketType::Sub)] {
        let (admitted, origin) = first_admitted(&server, dialled(&file, channel, socket)).await;
        assert_eq!(admitted, channel);
        assert!(matches!(origin, Origin::Process { .. }), "{origin}");
    }
}

#[tokio::test]
async fn sockets_go_on_listening_while_nobody_accepts() {
    let directory = TempDir::new().unwrap();
    let ipc = Location::Ipc(directory.path().join("k").to_string_lossy().into_owned());
    for address in [LOOPBACK, ipc] {
        let first = Server::bind(&address, None).await.unwrap();
        let file = file(&address, &first);
        let sockets = first.sockets().unwrap();
        // Nobody accepts now, and nobody is refused.
        let connects = dialled(&file, Channel::Stdin, SocketType::Dealer);
        let second = Server::from_sockets(&file, sockets).unwrap();
        assert_eq!(second.ports(), file.ports());
        assert_eq!(first_admitted(&second, connects).await.0, Channel::Stdin);
    }
}

#[tokio::test]
async fn a_dropped_server_leaves_no_ipc_paths() {
    let directory = TempDir::new().unwrap();
    let ipc = Location::Ipc(directory.path().join("k").to_string_lossy().into_owned());
    let server = Server::bind(&ipc, None).await.unwrap();
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 5);
    assert_eq!(server.ports().heartbeat, NonZeroU16::new(5).unwrap());
    drop(server);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[tokio::test]
async fn a_subscriber_is_welcomed_and_gets_what_it_wants() {
    let server = Server::bind(&LOOPBACK, None).await.unwrap();
    let file = file(&LOOPBACK, &server);
    let signer = Signer::new(file.signature_scheme, file.signing_key().unwrap());
    let builder = MessageBuilder::new("kernel");
    let limits = Limits::default();
    let publisher = Publisher::new(builder.clone(), signer, Bytes::from_static(b"notices"), &limits);
    let publisher = std::sync::Arc::new(publisher);
    let handler = |incoming: Incoming| {
        let publisher = publisher.clone();
        async move {
            let (mut peer, _) = incoming.admit().await.unwrap();
            publisher.serve(&mut peer).await.unwrap();
        }
    };
    let hears = async {
        let mut peer = dialled(&file, Channel::IoPub, SocketType::Sub).await;
        peer.subscribe(b"a");
        let topics = next_topics(&mut peer).await;
        assert_eq!(topics, ["a"]);
        for topic in ["b", "a.1"] {
            publisher.publish(topic.into(), builder.notice(topic, &Bytes::new()));
        }
        publisher.publish_status("a.2".into(), builder.notice("", &Bytes::new()));
        let mut topics = Vec::new();
        while topics.len() < 2 {
            topics.extend(next_topics(&mut peer).await);
        }
        assert_eq!(topics, ["a.1", "a.2"]);
    };
    let acceptor = Acceptor::new(&limits);
    tokio::select! {
        () = server.serve(&acceptor, handler) => unreachable!(),
        () = hears => {}
    }
}

async fn next_topics(peer: &mut Peer) -> Vec<String> {
    let mut batch = Vec::new();
    assert!(peer.next(&mut batch).await.unwrap());
    let topic = |event| match event {
        Event::Message(frames) => String::from_utf8(frames.first().unwrap().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    batch.into_iter().map(topic).collect()
}
