//! The subscribers: plain sockets of this process, read by one thread in large pieces. What it costs them to listen is
//! little, and the same for all contenders.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jupyter_fleet::jupyter::connection_file::ConnectionFile;

use crate::common::{
    code::Code,
    counter::Counter,
    raw::Peer,
    session::{PATIENCE, Session},
};

/// Bytes read at once.
const READ: usize = 256 << 10;

/// After so long without anything, what has not come is lost.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a subscription may take, and how long until the kernel is asked to speak again meanwhile.
const SUBSCRIPTION: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_millis(500);

pub struct Audience {
    subscribers: Vec<Peer>,
    chunk: Vec<u8>,
}

impl Audience {
    /// Subscribes, and waits until all hear the kernel.
    pub fn gather(file: &ConnectionFile, session: &mut Session, size: usize) -> Result<Self> {
        let subscribers = (0..size).map(|_| Peer::subscribe(file)).collect::<Result<_>>()?;
        let mut audience = Self { subscribers, chunk: vec![0; READ] };
        let start = Instant::now();
        loop {
            session.execute(Code::Echo)?;
            session.reply()?;
            let deadline = Instant::now() + ASK_AGAIN;
            let mut subscribers = audience.subscribers.iter_mut();
            match subscribers.try_for_each(|peer| session.outputs(peer, deadline).map(drop)) {
                Ok(()) => return Ok(audience),
                Err(error) if start.elapsed() > SUBSCRIPTION => {
                    return Err(error.context("a subscriber heard nothing"));
                }
                Err(_) => {}
            }
        }
    }

    /// Sees to it that all hear the same: every output, unaltered and rightly signed, and nothing else.
    pub fn check(&mut self, session: &mut Session, code: Code) -> Result<()> {
        session.execute(code)?;
        session.reply()?;
        let expected = code.output().content;
        for peer in &mut self.subscribers {
            let outputs = session.outputs(peer, Instant::now() + PATIENCE).context("a subscriber")?;
            ensure!(outputs.len() == code.outputs(), "of {} outputs came {}", code.outputs(), outputs.len());
            ensure!(outputs.iter().all(|output| *output == expected), "an output was altered");
            ensure!(peer.is_drained(), "something came after idle");
        }
        Ok(())
    }

    /// Counts until each has so many messages; returns how many are missing, should there be silence.
    pub fn count(&mut self, messages: usize) -> Result<usize> {
        let mut counters: Vec<Counter> = self.subscribers.iter().map(|_| Counter::default()).collect();
        let mut listening = self.subscribers.len();
        while listening > 0 {
            let mut items: Vec<_> = self.subscribers.iter().map(Peer::poll_item).collect();
            if zmq::poll(&mut items, i64::try_from(SILENCE.as_millis())?)? == 0 {
                break;
            }
            let ready: Vec<bool> = items.iter().map(zmq::PollItem::is_readable).collect();
            drop(items);
            let peers = self.subscribers.iter_mut().zip(&mut counters).zip(ready);
            for ((peer, counter), _) in peers.filter(|(_, is_ready)| *is_ready) {
                let count = peer.read(&mut self.chunk)?;
                let before = counter.messages();
                counter.feed(self.chunk.get(..count).context("more was read than asked")?);
                match counter.messages() {
                    now if now > messages => bail!("{now} messages came where {messages} were sent"),
                    now => listening -= usize::from(now == messages && before < messages),
                }
            }
        }
        Ok(counters.iter().map(|counter| messages - counter.messages()).sum())
    }
}
