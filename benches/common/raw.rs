//! ZMTP 3.0 by hand on plain TCP sockets (RFC 23): peers so cheap that they are not what is measured, and that a process
//! can have by the thousand. As they speak 3.0, nobody expects them to answer a PING.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use jupyter_fleet::{
    channel::Channel,
    jupyter::{address::Address, connection_file::ConnectionFile},
};

use super::{
    frame::{COMMAND, message, put_frame, take_message},
    incoming::Incoming,
};

/// Signature, version 3.0 and mechanism, which zeros fill up: no server.
const GREETING: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL";
const GREETING_BYTES: usize = 64;

/// Time for the other end's part of the handshake; it may have thousands to shake hands with.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// A connection. It says all that the handshake asks of it at once, and waits for the other end when it has to.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    /// What has come and has not been taken.
    buffer: Vec<u8>,
    /// Whether the other end has done its part of the handshake.
    is_established: bool,
}

impl Peer {
    /// Connects; the other end need not have answered yet, so thousands can be opened at once.
    pub fn connect(file: &ConnectionFile, channel: Channel, socket: &str, identity: &str) -> Result<Self> {
        let Address::Tcp(address) = file.address(channel) else { bail!("a raw peer knows TCP alone") };
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect {channel}"))?;
        stream.set_nodelay(true)?;
        let mut ready = b"\x05READY".to_vec();
        // libzmq refuses an identity of a socket that has none.
        let properties = [("Socket-Type", socket), ("Identity", identity)];
        for (name, value) in properties.into_iter().filter(|(_, value)| !value.is_empty()) {
            ready.push(u8::try_from(name.len())?);
            ready.extend(name.as_bytes());
            ready.extend(u32::try_from(value.len())?.to_be_bytes());
            ready.extend(value.as_bytes());
        }
        let mut hello = GREETING.to_vec();
        hello.resize(GREETING_BYTES, 0);
        put_frame(&mut hello, COMMAND, &ready);
        (&stream).write_all(&hello)?;
        Ok(Self { stream, buffer: Vec::new(), is_established: false })
    }

    /// A subscriber to everything.
    pub fn subscribe(file: &ConnectionFile) -> Result<Self> {
        let mut peer = Self::connect(file, Channel::IoPub, "SUB", "")?;
        peer.subscribe_to_all()?;
        Ok(peer)
    }

    /// Subscribes a SUB socket to everything.
    pub fn subscribe_to_all(&mut self) -> Result<()> {
        self.send(&message(&[b"\x01"]))
    }

    /// Sends messages as they stand on the wire.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.establish()?;
        Ok(self.stream.write_all(bytes)?)
    }

    /// Waits for the other end's READY: libzmq may take a message that comes before it has sent its own for a bad READY,
    /// and closes the connection.
    fn establish(&mut self) -> Result<()> {
        if self.is_established {
            return Ok(());
        }
        self.stream.set_read_timeout(Some(HANDSHAKE))?;
        let mut start = [0; GREETING_BYTES + 2];
        self.stream.read_exact(&mut start).context("waiting for the other end's greeting")?;
        let [.., COMMAND, length] = start else { bail!("something else came where READY was due") };
        self.stream.read_exact(&mut vec![0; usize::from(length)])?;
        self.is_established = true;
        Ok(())
    }

    /// Waits for the next message.
    pub fn receive(&mut self, deadline: Instant) -> Result<Incoming<Vec<u8>>> {
        self.establish()?;
        loop {
            if let Some(frames) = take_message(&mut self.buffer) {
                return Ok(Incoming::of(frames));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "nothing came in time");
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut chunk = [0; 16 << 10];
            let count = self.read(&mut chunk).context("nothing came in time")?;
            self.buffer.extend(chunk.get(..count).context("more was read than asked")?);
        }
    }

    /// Whether nothing has come that [`Self::receive`] has not returned.
    pub fn is_drained(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What has come: the least that a receiver can do.
    pub fn read(&mut self, chunk: &mut [u8]) -> Result<usize> {
        match self.stream.read(chunk)? {
            0 => bail!("the other end closed the connection"),
            count => Ok(count),
        }
    }

    pub fn poll_item(&self) -> zmq::PollItem<'_> {
        zmq::PollItem::from_fd(self.stream.as_raw_fd(), zmq::POLLIN)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
