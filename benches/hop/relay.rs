//! The least that any hop can be: bytes read from one socket and written to another by one thread, unread, uncut and
//! unsigned. What this costs is the machine's own price for two more wake-ups, and no hop that keeps to sockets is cheaper.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
};

use anyhow::{Context, bail};
use jupyter_fleet::{
    channel::Channel,
    jupyter::{address::Address, connection_file::ConnectionFile},
};

const CHANNELS: [Channel; 3] = [Channel::Shell, Channel::Control, Channel::IoPub];

/// Bytes read at once.
const READ: usize = 256 << 10;

/// Joins each connection to a connection of its own to the kernel.
pub fn run(frontend: &ConnectionFile, backend: &ConnectionFile) -> anyhow::Result<()> {
    let listeners = CHANNELS
        .iter()
        .map(|channel| Ok((TcpListener::bind(address(frontend, *channel)?)?, address(backend, *channel)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    writeln!(io::stdout(), "ready")?;
    let mut ends: Vec<(TcpStream, TcpStream)> = Vec::new();
    let mut buffer = vec![0; READ];
    loop {
        let listening = listeners.iter().map(|(listener, _)| listener.as_raw_fd());
        let reading = ends.iter().map(|(from, _)| from.as_raw_fd());
        let mut items: Vec<_> =
            listening.chain(reading).map(|fd| zmq::PollItem::from_fd(fd, zmq::POLLIN)).collect();
        zmq::poll(&mut items, -1)?;
        let (accept, read) = items.split_at(listeners.len());
        for (_, (from, to)) in read.iter().zip(&mut ends).filter(|(item, _)| item.is_readable()) {
            match from.read(&mut buffer)? {
                0 => bail!("an end was closed"),
                count => to.write_all(buffer.get(..count).context("more was read than asked")?)?,
            }
        }
        for (_, (listener, kernel)) in accept.iter().zip(&listeners).filter(|(item, _)| item.is_readable()) {
            let (client, kernel) = (listener.accept()?.0, TcpStream::connect(kernel)?);
            client.set_nodelay(true)?;
            kernel.set_nodelay(true)?;
            ends.push((client.try_clone()?, kernel.try_clone()?));
            ends.push((kernel, client));
        }
    }
}

fn address(file: &ConnectionFile, channel: Channel) -> anyhow::Result<std::net::SocketAddr> {
    match file.address(channel) {
        Address::Tcp(address) => Ok(address),
        Address::Ipc(_) => bail!("the relay knows TCP alone"),
    }
}
