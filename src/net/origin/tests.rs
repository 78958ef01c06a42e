use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        linux::fs::MetadataExt,
    },
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use super::{sock_diag::SockDiag, *};

/// Both ends of a connection in this process.
struct Connected {
    client: TcpStream,
    server: TcpStream,
}

impl Connected {
    fn new(listen: &str, connect: &str) -> Self {
        let listener = TcpListener::bind(listen).unwrap();
        let client = TcpStream::connect((connect, listener.local_addr().unwrap().port())).unwrap();
        Self { client, server: listener.accept().unwrap().0 }
    }

    fn pair(&self) -> Pair {
        (plain(self.server.peer_addr().unwrap()), plain(self.server.local_addr().unwrap()))
    }

    fn inode(&self) -> u64 {
        let file = std::fs::File::from(self.client.as_fd().try_clone_to_owned().unwrap());
        file.metadata().unwrap().st_ino()
    }

    /// A copy of the client's end, for a child to inherit.
    fn end(&self) -> OwnedFd {
        self.client.try_clone().unwrap().into()
    }
}

/// IPv4, IPv6, and IPv4 at a socket for both.
fn connections() -> [Connected; 3] {
    [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1")]
        .map(|(listen, connect)| Connected::new(listen, connect))
}

fn me() -> i32 {
    std::process::id().try_into().unwrap()
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn netlink_finds_a_socket_by_its_addresses() {
    let netlink = SockDiag::open().unwrap();
    for connected in connections() {
        let owned = Owned { uid: uid(), inode: connected.inode() };
        assert_eq!(netlink.find(connected.pair()).unwrap(), Some(owned));
    }
}

#[test]
fn a_client_with_an_ipv6_socket_is_found_by_its_ipv4_address() {
    let connected = Connected::new("127.0.0.1:0", "::ffff:127.0.0.1");
    let owned = Owned { uid: uid(), inode: connected.inode() };
    assert_eq!(SockDiag::open().unwrap().find(connected.pair()).unwrap(), Some(owned));
    assert_eq!(table::find(&[connected.pair()])[&connected.pair()], owned);
}

#[test]
fn netlink_takes_no_other_socket_for_one_that_is_gone() {
    let netlink = SockDiag::open().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let listens = listener.local_addr().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(netlink.find((free, listens)).unwrap(), None);
    assert_eq!(netlink.find((listens, free)).unwrap(), None, "one that listens is no connection");
    let Connected { client, server } = Connected::new("127.0.0.1:0", "127.0.0.1");
    let pair = (server.peer_addr().unwrap(), server.local_addr().unwrap());
    drop(client);
    // Another test may be starting a program at this moment, which has all descriptors until it has begun.
    let deadline = Instant::now() + Duration::from_secs(10);
    while netlink.find(pair).unwrap().is_some() {
        assert!(Instant::now() < deadline, "one that was closed belongs to nobody");
        std::thread::yield_now();
    }
}

#[test]
fn without_netlink_the_table_tells_the_same() {
    let all = connections();
    let pairs: Vec<Pair> = all.iter().map(Connected::pair).collect();
    let refused = || Err(io::ErrorKind::PermissionDenied.into());
    let mut without = Search { sockets: Sockets::opened_by(refused), ..Search::default() };
    let found = without.run(&pairs);
    assert_eq!(found.len(), pairs.len());
    assert!(found.values().all(|origin| *origin == Origin::Process { uid: uid(), pid: me() }), "{found:?}");
    assert_eq!(Search::default().run(&pairs), found);
}

/// A child that holds the connection, and has said that it runs.
fn inherits(connected: &Connected, script: &str) -> (Child, ChildStdout) {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(connected.end()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 1]).unwrap();
    (child, output)
}

/// Lets those end who wait for the connection to end.
fn end(mut server: TcpStream, (mut child, mut output): (Child, ChildStdout)) {
    server.write_all(b"\n").unwrap();
    output.read_to_end(&mut Vec::new()).unwrap();
    child.wait().unwrap();
}

#[test]
fn of_a_process_and_its_child_the_process_is_meant() {
    let connected = Connected::new("127.0.0.1:0", "127.0.0.1");
    let child = inherits(&connected, "echo; read line");
    let is_mine = HashMap::from([(connected.inode(), me())]);
    let wanted = || [connected.inode()].into();
    let mut holders = Holders::default();
    assert_eq!(holders.find(wanted()), is_mine);
    assert_eq!(holders.find(wanted()), is_mine, "whoever was found is looked at first");
    let mut misled = Holders::that_found(child.0.id().try_into().unwrap());
    assert_eq!(misled.find(wanted()), is_mine);
    end(connected.server, child);
}

#[test]
fn of_a_process_and_an_orphan_the_process_is_meant() {
    let mut connected = Connected::new("127.0.0.1:0", "127.0.0.1");
    // The shell in between has ended when its child is looked at.
    let (mut shell, mut output) = inherits(&connected, "exec 3<&0; (echo; read line <&3) &");
    shell.wait().unwrap();
    let found = Holders::default().find([connected.inode()].into());
    assert_eq!(found, HashMap::from([(connected.inode(), me())]));
    connected.server.write_all(b"\n").unwrap();
    output.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_child_is_meant_where_its_parent_has_let_go() {
    let connected = Connected::new("127.0.0.1:0", "127.0.0.1");
    let inode = connected.inode();
    let child = inherits(&connected, "echo; read line");
    let Connected { client, server } = connected;
    drop(client);
    let pid = child.0.id().try_into().unwrap();
    assert_eq!(Holders::default().find([inode].into()), HashMap::from([(inode, pid)]));
    end(server, child);
}

#[test]
fn what_nobody_holds_is_not_found() {
    assert_eq!(Holders::default().find([u64::MAX].into()), HashMap::new());
}
