//! Strangers at a acceptor over real sockets: who holds the key vouches for the silent connections of its own process,
//! and another process of the same user gains nothing by it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::{net::SocketAddr, process::Stdio, time::Duration};

use bytes::Bytes;
use jupyter_fleet::{
    jupyter::address::Address,
    limits::Limits,
    net::{Acceptor, Listener, Peer, PeerError, PeerSettings, Refused, dial},
    zmtp::{Local, SocketType},
};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
    time::{Instant, timeout},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// Strangers of one user.
const STRANGERS: usize = 2;

/// Silent connections that an authenticated one vouches for.
const VOUCHED: usize = 4;

struct Gate {
    acceptor: Acceptor,
    listener: Listener,
    address: SocketAddr,
}

impl Gate {
    async fn open() -> Self {
        let limits = Limits {
            unauthenticated_connections_per_origin: STRANGERS,
            vouched_connections: VOUCHED,
            ..Limits::default()
        };
        let listener = Listener::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap())).await.unwrap();
        let Address::Tcp(address) = *listener.address() else { panic!("it was to be TCP") };
        Self { acceptor: Acceptor::new(&limits), listener, address }
    }

    /// Lets in whoever comes next.
    async fn admit(&self) -> Result<Peer, PeerError> {
        let stream = timeout(DEADLINE, self.listener.accept()).await.unwrap();
        let local = Local::new(SocketType::Router, Bytes::new(), 1000);
        self.acceptor.admit(stream, local).await.map(|(peer, _)| peer)
    }

    /// A silent connection from this process: the client's end, and ours.
    async fn connect(&self) -> Result<(JoinHandle<Option<Peer>>, Peer), PeerError> {
        let (address, deadline) = (Address::Tcp(self.address), Instant::now() + DEADLINE);
        let client = tokio::spawn(async move {
            let local = Local::new(SocketType::Dealer, Bytes::new(), 1000);
            dial(&address, &local, &PeerSettings::new(&Limits::default()), deadline).await.ok()
        });
        let ours = self.admit().await.inspect_err(|_| client.abort())?;
        Ok((client, ours))
    }

    /// Another process that connects and says nothing. It ends when it is dropped.
    fn silent_process(&self) -> Child {
        let connect = format!("exec 3<>/dev/tcp/{}/{}; read line", self.address.ip(), self.address.port());
        let mut command = Command::new("bash");
        command.args(["-c", &connect]).stdin(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    }
}

fn is_refused<T>(admitted: Result<T, PeerError>) -> bool {
    matches!(admitted, Err(PeerError::Refused(Refused::TooManyOfOrigin(STRANGERS))))
}

#[tokio::test]
async fn the_holder_of_the_key_vouches_for_its_process() {
    let gate = Gate::open().await;
    let mut first = gate.connect().await.unwrap();
    let mut all = Vec::new();
    for _ in 1..STRANGERS {
        all.push(gate.connect().await.unwrap());
    }
    assert!(is_refused(gate.connect().await));
    first.1.trust();
    for _ in 0..=VOUCHED {
        all.push(gate.connect().await.unwrap());
    }
    assert_eq!(all.len(), STRANGERS + VOUCHED);
    assert!(is_refused(gate.connect().await));
    all.pop();
    all.push(gate.connect().await.unwrap());
}

#[tokio::test]
async fn nobody_gains_by_another_process() {
    let gate = Gate::open().await;
    let mut first = gate.connect().await.unwrap();
    first.1.trust();
    let mut all = Vec::new();
    for _ in 0..VOUCHED {
        all.push(gate.connect().await.unwrap());
    }
    let _others: Vec<Child> = (0..=STRANGERS).map(|_| gate.silent_process()).collect();
    // Those that are let in are waited for, for they do not shake hands.
    let (one, two, three) = (gate.admit(), gate.admit(), gate.admit());
    let refused = tokio::select! { peer = one => peer, peer = two => peer, peer = three => peer };
    assert!(is_refused(refused));
}
