//! A client as Jupyter's are: five sockets of libzmq, and a session of its own.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jupyter_fleet::{channel::Channel, jupyter::connection_file::ConnectionFile};
use serde_json::{Value, json};
use zmq::SocketType;

use crate::common::{
    incoming::Incoming,
    wire::{Outgoing, Speaker},
};

/// Time for any answer.
const ANSWER_MILLISECONDS: i32 = 60_000;

pub struct Newcomer {
    shell: zmq::Socket,
    control: zmq::Socket,
    iopub: Option<zmq::Socket>,
    _others: [zmq::Socket; 2],
    speaker: Speaker,
    incoming: Incoming,
    needs: Value,
}

impl Newcomer {
    /// Opens all sockets but iopub's.
    pub fn come(context: &zmq::Context, file: &ConnectionFile, session: &str, needs: Value) -> Result<Self> {
        let reach = |kind, channel| connected(context, kind, file, channel, session);
        Ok(Self {
            shell: reach(SocketType::DEALER, Channel::Shell)?,
            control: reach(SocketType::DEALER, Channel::Control)?,
            iopub: None,
            _others: [
                reach(SocketType::DEALER, Channel::Stdin)?,
                reach(SocketType::REQ, Channel::Heartbeat)?,
            ],
            speaker: Speaker::new(file, session)?,
            incoming: Incoming::of(Vec::new()),
            needs: json!({ "fleet": needs }),
        })
    }

    /// Opens iopub's socket, and subscribes to everything.
    pub fn subscribe(&mut self, context: &zmq::Context, file: &ConnectionFile) -> Result<()> {
        let iopub = connected(context, SocketType::SUB, file, Channel::IoPub, "")?;
        iopub.set_subscribe(b"")?;
        self.iopub = Some(iopub);
        Ok(())
    }

    /// From the first socket to the reply to a first cell.
    pub fn first_reply(file: &ConnectionFile, session: &str, needs: Value) -> Result<(Self, Duration)> {
        let context = zmq::Context::new();
        let start = Instant::now();
        let mut newcomer = Self::come(&context, file, session, needs)?;
        newcomer.subscribe(&context, file)?;
        newcomer.ask()?;
        newcomer.reply()?;
        Ok((newcomer, start.elapsed()))
    }

    /// Sends a cell.
    pub fn ask(&mut self) -> Result<()> {
        let content = json!({
            "code": "1", "silent": false, "store_history": true, "user_expressions": {}, "allow_stdin": false,
            "stop_on_error": true,
        });
        self.send(Channel::Shell, "execute_request", &content)
    }

    /// Waits for the reply to the cell.
    pub fn reply(&mut self) -> Result<()> {
        self.incoming.receive(&self.shell).context("waiting for the first reply")?;
        let content: Value = serde_json::from_slice(self.incoming.content())?;
        ensure!(
            content.get("status").is_some_and(|status| status == "ok"),
            "the first cell failed: {content}"
        );
        Ok(())
    }

    /// Says goodbye. The kernel ends where this was its last client.
    pub fn leave(mut self) -> Result<()> {
        self.send(Channel::Control, "shutdown_request", &json!({ "restart": false }))?;
        self.incoming.receive(&self.control).context("waiting for the goodbye")
    }

    fn send(&mut self, channel: Channel, msg_type: &str, content: &Value) -> Result<()> {
        let (metadata, content) = (self.needs.to_string(), content.to_string());
        let message = Outgoing {
            envelope: &[],
            msg_type,
            parent: b"{}",
            metadata: metadata.as_bytes(),
            content: content.as_bytes(),
            buffer: None,
        };
        let socket = if channel == Channel::Control { &self.control } else { &self.shell };
        self.speaker.say(socket, message)
    }
}

fn connected(
    context: &zmq::Context,
    kind: SocketType,
    file: &ConnectionFile,
    channel: Channel,
    identity: &str,
) -> Result<zmq::Socket> {
    let socket = context.socket(kind)?;
    socket.set_linger(0)?;
    socket.set_rcvtimeo(ANSWER_MILLISECONDS)?;
    if kind == SocketType::DEALER {
        socket.set_identity(identity.as_bytes())?;
    }
    socket.connect(&file.address(channel).to_string())?;
    Ok(socket)
}
