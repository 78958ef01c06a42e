//! Asking the system for one TCP socket by its addresses (netlink `SOCK_DIAG`, sock_diag(7)): some microseconds, where
//! its table of all sockets takes milliseconds.

use std::{io, net::IpAddr, os::fd::OwnedFd};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags},
};
use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with},
};

use super::{Owned, Pair};

/// Longest answer that is read, in bytes: one socket takes about a hundred.
const LONGEST_ANSWER: usize = 4096;

/// Any socket with these addresses, whatever its cookie (`INET_DIAG_NOCOOKIE`).
const ANY_COOKIE: [u8; 8] = [0xff; 8];

/// A netlink socket for such questions.
#[derive(Debug)]
pub(super) struct SockDiag(OwnedFd);

impl SockDiag {
    /// Not everyone may have one: sandboxes and seccomp filters refuse the family or the protocol.
    pub(super) fn open() -> io::Result<Self> {
        let protocol = Some(netlink::SOCK_DIAG);
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?))
    }

    /// The open socket with these addresses. None may also mean that the system does not know how to look for one.
    ///
    /// A question for IPv4 also finds IPv6 sockets that hold IPv4 connections.
    pub(super) fn find(&self, pair: Pair) -> io::Result<Option<Owned>> {
        send(&self.0, &question(pair), SendFlags::empty())?;
        let mut answer = [0; LONGEST_ANSWER];
        // The system answers before `send` returns, so there is nothing to wait for.
        let (length, _) = recv(&self.0, &mut answer, RecvFlags::DONTWAIT)?;
        let answer = answer.get(..length).unwrap_or_default();
        let answer = NetlinkMessage::<SockDiagMessage>::deserialize(answer).map_err(io::Error::other)?;
        match answer.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(socket)) => {
                Ok(owned(&socket.header, pair))
            }
            NetlinkPayload::Error(refused) if refused.raw_code() == -Errno::NOENT.raw_os_error() => Ok(None),
            NetlinkPayload::Error(refused) => Err(refused.to_io()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn question((peer, local): Pair) -> Vec<u8> {
    let request = InetRequest {
        family: if matches!(peer.ip(), IpAddr::V4(_)) { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: peer.port(),
            destination_port: local.port(),
            source_address: peer.ip(),
            destination_address: local.ip(),
            interface_id: 0,
            cookie: ANY_COOKIE,
        },
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Where no connection has these addresses, the system may name a socket that listens; one that was closed has no inode.
fn owned(socket: &InetResponseHeader, (peer, local): Pair) -> Option<Owned> {
    let ports = (socket.socket_id.source_port, socket.socket_id.destination_port);
    let is_it = ports == (peer.port(), local.port()) && socket.inode != 0;
    is_it.then_some(Owned { uid: socket.uid, inode: socket.inode.into() })
}
