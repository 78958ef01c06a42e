//! The other ends: one interface over libzmq and the `zeromq` crate, so that each test runs against both.

use std::time::Duration;

use bytes::Bytes;
use zeromq::{
    DealerSocket, PubSocket, RepSocket, ReqSocket, RouterSocket, Socket, SocketOptions, SocketRecv,
    SocketSend, SubSocket, ZmqMessage, util::PeerIdentity,
};

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Dealer,
    Router,
    Sub,
    Pub,
    Req,
    Rep,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Library {
    /// Speaks ZMTP 3.1.
    Libzmq,
    /// Speaks ZMTP 3.0: subscriptions are messages.
    Zeromq,
}

pub const LIBRARIES: [Library; 2] = [Library::Libzmq, Library::Zeromq];

/// A socket of another library.
pub enum Theirs {
    Libzmq(zmq::Socket),
    Dealer(Box<DealerSocket>),
    Router(Box<RouterSocket>),
    Sub(Box<SubSocket>),
    Pub(Box<PubSocket>),
    Req(Box<ReqSocket>),
    Rep(Box<RepSocket>),
}

impl Theirs {
    pub fn new(library: Library, kind: Kind) -> Self {
        match library {
            Library::Libzmq => Self::Libzmq(libzmq(kind)),
            Library::Zeromq => zeromq(kind),
        }
    }

    pub async fn connect(&mut self, address: &str) {
        match self {
            Self::Libzmq(socket) => socket.connect(address).unwrap(),
            Self::Dealer(socket) => socket.connect(address).await.unwrap(),
            Self::Sub(socket) => socket.connect(address).await.unwrap(),
            Self::Req(socket) => socket.connect(address).await.unwrap(),
            Self::Router(_) | Self::Pub(_) | Self::Rep(_) => panic!("binds"),
        }
    }

    /// Binds and returns the address.
    pub async fn bind(&mut self, address: &str) -> String {
        match self {
            Self::Libzmq(socket) => {
                socket.bind(address).unwrap();
                socket.get_last_endpoint().unwrap().unwrap()
            }
            Self::Router(socket) => socket.bind(address).await.unwrap().to_string(),
            Self::Pub(socket) => socket.bind(address).await.unwrap().to_string(),
            Self::Rep(socket) => socket.bind(address).await.unwrap().to_string(),
            Self::Dealer(_) | Self::Sub(_) | Self::Req(_) => panic!("connects"),
        }
    }

    pub async fn subscribe(&mut self, topic: &str) {
        match self {
            Self::Libzmq(socket) => socket.set_subscribe(topic.as_bytes()).unwrap(),
            Self::Sub(socket) => socket.subscribe(topic).await.unwrap(),
            _ => panic!("only a SUB subscribes"),
        }
    }

    pub async fn send(&mut self, frames: Vec<Vec<u8>>) {
        if let Self::Libzmq(socket) = self {
            return socket.send_multipart(frames, 0).unwrap();
        }
        let parts: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
        let message = ZmqMessage::try_from(parts).unwrap();
        match self {
            Self::Dealer(socket) => socket.send(message).await.unwrap(),
            Self::Router(socket) => socket.send(message).await.unwrap(),
            Self::Pub(socket) => socket.send(message).await.unwrap(),
            Self::Req(socket) => socket.send(message).await.unwrap(),
            Self::Rep(socket) => socket.send(message).await.unwrap(),
            Self::Libzmq(_) | Self::Sub(_) => panic!("does not send"),
        }
    }

    /// The next message, with a deadline.
    pub async fn receive(&mut self) -> Vec<Vec<u8>> {
        let received = async {
            match self {
                Self::Libzmq(socket) => return poll(socket).await,
                Self::Dealer(socket) => socket.recv().await,
                Self::Router(socket) => socket.recv().await,
                Self::Sub(socket) => socket.recv().await,
                Self::Req(socket) => socket.recv().await,
                Self::Rep(socket) => socket.recv().await,
                Self::Pub(_) => panic!("does not receive"),
            }
            .unwrap()
            .into_vec()
            .into_iter()
            .map(|frame| frame.to_vec())
            .collect()
        };
        tokio::time::timeout(PATIENCE, received).await.expect("a message in time")
    }
}

/// libzmq has no future to wait for, and blocking would stop our end of the connection.
async fn poll(socket: &zmq::Socket) -> Vec<Vec<u8>> {
    loop {
        match socket.recv_multipart(zmq::DONTWAIT) {
            Ok(frames) => return frames,
            Err(zmq::Error::EAGAIN) => tokio::time::sleep(Duration::from_millis(2)).await,
            Err(error) => panic!("libzmq: {error}"),
        }
    }
}

fn libzmq(kind: Kind) -> zmq::Socket {
    let socket = zmq::Context::new()
        .socket(match kind {
            Kind::Dealer => zmq::DEALER,
            Kind::Router => zmq::ROUTER,
            Kind::Sub => zmq::SUB,
            Kind::Pub => zmq::PUB,
            Kind::Req => zmq::REQ,
            Kind::Rep => zmq::REP,
        })
        .unwrap();
    socket.set_linger(0).unwrap();
    socket.set_identity(b"theirs").unwrap();
    socket
}

fn zeromq(kind: Kind) -> Theirs {
    let mut options = SocketOptions::default();
    options.peer_identity(PeerIdentity::try_from(Bytes::from_static(b"theirs")).unwrap());
    match kind {
        Kind::Dealer => Theirs::Dealer(Box::new(DealerSocket::with_options(options))),
        Kind::Router => Theirs::Router(Box::new(RouterSocket::new())),
        Kind::Sub => Theirs::Sub(Box::new(SubSocket::new())),
        Kind::Pub => Theirs::Pub(Box::new(PubSocket::new())),
        Kind::Req => Theirs::Req(Box::new(ReqSocket::with_options(options))),
        Kind::Rep => Theirs::Rep(Box::new(RepSocket::new())),
    }
}
