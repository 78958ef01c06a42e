//! The two baselines between client and kernel: both pass bytes on, unread and unsigned.

use std::{
    io::{self, Write},
    thread,
};

use anyhow::{Context, anyhow};
use jupyter_fleet::{channel::Channel, jupyter::connection_file::ConnectionFile};
use tokio::task::JoinSet;
use zeromq::{DealerSocket, RouterSocket, Socket, SocketRecv, SocketSend, XPubSocket, XSubSocket};
use zmq::SocketType::{DEALER, ROUTER, XPUB, XSUB};

use crate::common::kernel::bound;

/// libzmq's own `zmq_proxy`, one per channel, each on a thread.
pub fn zmq_proxy(frontend: &ConnectionFile, backend: &ConnectionFile) -> anyhow::Result<()> {
    let context = zmq::Context::new();
    let channels =
        [(Channel::Shell, ROUTER, DEALER), (Channel::Control, ROUTER, DEALER), (Channel::IoPub, XPUB, XSUB)];
    let mut threads = Vec::new();
    for (channel, front, back) in channels {
        let front = bound(&context, front, frontend, channel)?;
        let back = context.socket(back)?;
        back.set_sndhwm(0)?;
        back.set_rcvhwm(0)?;
        back.connect(&backend.address(channel).to_string())?;
        threads.push(thread::spawn(move || zmq::proxy(&front, &back)));
    }
    writeln!(io::stdout(), "ready")?;
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a proxy's thread panicked"))??;
    }
    Ok(())
}

/// What the `proxy` function of the crate `zeromq` does, one per channel. Its own future cannot change threads, so the
/// loop is written out here; the runtime is the one that `jupyter-fleet` has.
pub fn zeromq_pump(frontend: &ConnectionFile, backend: &ConnectionFile) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let ends = |channel| (frontend.address(channel).to_string(), backend.address(channel).to_string());
        let mut pumps = JoinSet::new();
        for channel in [Channel::Shell, Channel::Control] {
            let (front, back) = join(RouterSocket::new(), DealerSocket::new(), ends(channel)).await?;
            pumps.spawn(pump(front, back));
        }
        let (front, back) = join(XPubSocket::new(), XSubSocket::new(), ends(Channel::IoPub)).await?;
        pumps.spawn(pump(front, back));
        writeln!(io::stdout(), "ready")?;
        let ended = pumps.join_next().await.context("no pump was started")?;
        Ok(ended??)
    })
}

async fn join<F: Socket, B: Socket>(
    mut front: F,
    mut back: B,
    (bind, connect): (String, String),
) -> anyhow::Result<(F, B)> {
    front.bind(&bind).await?;
    back.connect(&connect).await?;
    Ok((front, back))
}

async fn pump<F, B>(mut front: F, mut back: B) -> zeromq::ZmqResult<()>
where
    F: SocketRecv + SocketSend,
    B: SocketRecv + SocketSend,
{
    loop {
        tokio::select! {
            message = front.recv() => back.send(message?).await?,
            message = back.recv() => front.send(message?).await?,
        }
    }
}
