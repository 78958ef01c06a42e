//! What a stub and `serve` say to each other over the admin socket: JSON texts, each with the file descriptors that belong to
//! it (unix(7), `SCM_RIGHTS`).
//!
//! A stub is the process that a host takes for its kernel. It listens on the five sockets of the host's connection file from
//! its start to its end, and hands over descriptors of them, so the ports are never free in between. What it has accepted
//! while no `serve` was there, it hands over as well.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use bytes::{Buf, BytesMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::{io::Interest, net::UnixStream};

use crate::{channel::Channel, zmtp::Version};

/// What the two speak after HTTP, by the name in its `Upgrade` header.
pub const PROTOCOL: &str = "jupyter-fleet-stub/1";

/// Where a stub asks to be heard, below the API's prefix.
pub const PATH: &str = "/hosts";

/// The longest text, in bytes: what a stub has read and `serve` has not may be large.
const LONGEST: usize = 256 << 20;

/// Descriptors that come with one text: five listening sockets.
const MOST_DESCRIPTORS: usize = 5;

/// What is read at once, in bytes.
const READ: usize = 64 << 10;

/// What a stub says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromStub {
    /// First of all: whom it stands for.
    Host(Box<HostOffer>),
    /// With the five listening sockets, in the order of [`Channel::ALL`]; once it is told that it is [`FromServe::Welcome`].
    Sockets,
    /// With the socket of a connection that the stub has accepted.
    Connection(ConnectionOffer),
    /// That was all: the file is to be served.
    Serve,
    /// The stub was sent SIGINT.
    Interrupt,
}

/// Whom a stub stands for.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostOffer {
    /// The host's connection file, with its whole path.
    pub connection_file: PathBuf,
    /// What the host's kernel is to be, as the object that stands under `fleet` in routing metadata.
    pub wishes: Map<String, Value>,
    /// Where the stub was started.
    pub directory: Option<PathBuf>,
    /// What the host added to the kernelspec's arguments.
    pub arguments: Vec<String>,
    /// The stub's environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The number of the host's process.
    pub host: Option<i32>,
    /// Requests that `serve` was asked before it ended, and that the stub has answered since.
    pub answered: Vec<String>,
}

/// A connection that a stub has accepted.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConnectionOffer {
    /// The channel.
    pub channel: Channel,
    /// The peer's socket type, as ZMTP names it.
    pub socket: String,
    /// The peer's identity, in hexadecimal digits.
    pub identity: String,
    /// Which ZMTP it speaks.
    pub version: Version,
    /// What it has sent and nobody has served, as it stands on the wire, in hexadecimal digits.
    pub unread: String,
}

/// What `serve` says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromServe {
    /// The sockets may be handed over.
    Welcome,
    /// The file is not served, and why.
    Refused(String),
    /// The host has shut its kernel down: the stub ends.
    Ended,
}

/// One end of the conversation.
#[derive(Debug)]
pub struct Conversation {
    stream: UnixStream,
    read: BytesMut,
    descriptors: VecDeque<OwnedFd>,
}

impl Conversation {
    /// Goes on where HTTP has ended; `read` has come after it.
    pub fn new(stream: UnixStream, read: BytesMut) -> Self {
        Self { stream, read, descriptors: VecDeque::new() }
    }

    /// The process and user at the other end.
    pub fn peer(&self) -> io::Result<tokio::net::unix::UCred> {
        self.stream.peer_cred()
    }

    /// Says something, with these descriptors.
    ///
    /// # Errors
    /// The other end is gone.
    pub async fn say(&self, what: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(what).map_err(io::Error::other)?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let mut bytes = BytesMut::from(&length.to_be_bytes()[..]);
        bytes.extend_from_slice(&text);
        let mut descriptors = descriptors;
        while bytes.has_remaining() {
            let sent = self
                .stream
                .async_io(Interest::WRITABLE, || send(self.stream.as_fd(), &bytes, descriptors))
                .await?;
            // They went with the first bytes.
            descriptors = &[];
            bytes.advance(sent);
        }
        Ok(())
    }

    /// What the other end says next; `None` once it is gone. Cancelling loses nothing.
    ///
    /// # Errors
    /// It says what makes no sense.
    pub async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(text) = self.whole()? {
                return serde_json::from_slice(&text).map(Some).map_err(io::Error::other);
            }
            let Self { stream, read, descriptors } = self;
            let stream = &*stream;
            let received =
                stream.async_io(Interest::READABLE, || receive(stream.as_fd(), read, descriptors)).await?;
            if received == 0 {
                return Ok(None);
            }
        }
    }

    /// The descriptors that came with what was said last.
    ///
    /// # Errors
    /// There are fewer.
    pub fn descriptors<const N: usize>(&mut self) -> io::Result<[OwnedFd; N]> {
        if self.descriptors.len() < N {
            return Err(io::Error::other("file descriptors are missing"));
        }
        let taken: Vec<OwnedFd> = self.descriptors.drain(..N).collect();
        taken.try_into().map_err(|_| io::Error::other("file descriptors are missing"))
    }

    fn whole(&mut self) -> io::Result<Option<BytesMut>> {
        let Some(length) = self.read.first_chunk().copied().map(u32::from_be_bytes) else { return Ok(None) };
        let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| io::Error::other("a text that is too long"))?;
        if self.read.len() < 4 + length {
            return Ok(None);
        }
        self.read.advance(4);
        Ok(Some(self.read.split_to(length)))
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many file descriptors at once"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?)
}

fn receive(
    socket: BorrowedFd<'_>,
    read: &mut BytesMut,
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut bytes = [0; READ];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    read.extend_from_slice(bytes.get(..received.bytes).unwrap_or_default());
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Conversation, Conversation) {
        let (one, two) = UnixStream::pair().unwrap();
        (Conversation::new(one, BytesMut::new()), Conversation::new(two, BytesMut::new()))
    }

    #[tokio::test]
    async fn texts_come_whole_in_order_and_with_their_descriptors() {
        let (stub, mut serve) = pair();
        let file = tempfile::tempfile().unwrap();
        let long = ConnectionOffer {
            channel: Channel::Shell,
            socket: "DEALER".to_owned(),
            identity: "00ff".to_owned(),
            version: Version::V3_1,
            unread: "ab".repeat(1 << 20),
        };
        let sends = async {
            stub.say(&FromStub::Sockets, &[file.as_fd(); 5]).await.unwrap();
            stub.say(&FromStub::Connection(long), &[file.as_fd()]).await.unwrap();
            drop(stub);
        };
        let receives = async {
            assert!(matches!(serve.next().await.unwrap(), Some(FromStub::Sockets)));
            serve.descriptors::<5>().unwrap();
            let Some(FromStub::Connection(offer)) = serve.next().await.unwrap() else { panic!() };
            assert_eq!((offer.unread.len(), offer.version), (2 << 20, Version::V3_1));
            serve.descriptors::<1>().unwrap();
            assert!(serve.descriptors::<1>().is_err());
            assert!(serve.next::<FromStub>().await.unwrap().is_none());
        };
        tokio::join!(sends, receives);
    }

    #[tokio::test]
    async fn what_is_no_text_of_ours_is_an_error() {
        let (stub, mut serve) = pair();
        stub.say(&"nonsense", &[]).await.unwrap();
        assert!(serve.next::<FromStub>().await.is_err());
        let (one, two) = UnixStream::pair().unwrap();
        let mut serve = Conversation::new(two, BytesMut::new());
        one.try_write(&u32::MAX.to_be_bytes()).unwrap();
        assert!(serve.next::<FromStub>().await.is_err());
    }
}
