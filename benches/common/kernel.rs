//! The synthetic kernel: a real kernel on libzmq that verifies and signs everything, and computes nothing.

use std::{
    io::{self, Write},
    thread,
};

use anyhow::Context;
use jupyter_fleet::{channel::Channel, jupyter::connection_file::ConnectionFile};
use serde::Deserialize;
use zmq::SocketType;

use super::{
    code::{Code, Output},
    incoming::Incoming,
    wire::{BUSY, IDLE, Outgoing, Speaker},
};

/// The session of the kernel's headers: tells its own replies from those that a proxy makes up.
pub const SESSION: &str = "synthetic-kernel";

const INFO: &[u8] = br#"{"status":"ok","protocol_version":"5.4","implementation":"synthetic","implementation_version":"1","language_info":{"name":"none","version":"1","mimetype":"text/plain","file_extension":".txt"},"banner":"synthetic","help_links":[]}"#;

/// Serves one connection file until a `shutdown_request` comes.
pub fn run(file: &ConnectionFile) -> anyhow::Result<()> {
    let context = zmq::Context::new();
    let bind = |channel, kind| bound(&context, kind, file, channel);
    let requests = [
        bind(Channel::Shell, SocketType::ROUTER)?,
        bind(Channel::Control, SocketType::ROUTER)?,
        bind(Channel::Stdin, SocketType::ROUTER)?,
    ];
    let iopub = bind(Channel::IoPub, SocketType::PUB)?;
    let heartbeat = bind(Channel::Heartbeat, SocketType::REP)?;
    thread::spawn(move || echo(&heartbeat));
    writeln!(io::stdout(), "ready")?;
    let mut kernel =
        Kernel { speaker: Speaker::new(file, SESSION)?, iopub, prepared: (Code::Echo, Output::default()) };
    let mut request = Incoming::of(Vec::new());
    loop {
        let mut items = requests.each_ref().map(|socket| socket.as_poll_item(zmq::POLLIN));
        zmq::poll(&mut items, -1)?;
        let readable = items.map(|item| item.is_readable());
        for (socket, _) in requests.iter().zip(readable).filter(|(_, readable)| *readable) {
            request.receive(socket)?;
            if !kernel.answer(socket, &request)? {
                return Ok(());
            }
        }
    }
}

/// Makes a socket that never drops, and binds it.
pub fn bound(
    context: &zmq::Context,
    kind: SocketType,
    file: &ConnectionFile,
    channel: Channel,
) -> anyhow::Result<zmq::Socket> {
    let socket = context.socket(kind)?;
    socket.set_sndhwm(0)?;
    socket.set_rcvhwm(0)?;
    let address = file.address(channel).to_string();
    socket.bind(&address).with_context(|| format!("cannot bind {channel} to {address}"))?;
    Ok(socket)
}

fn echo(heartbeat: &zmq::Socket) {
    while let Ok(ping) = heartbeat.recv_multipart(0) {
        if heartbeat.send_multipart(ping, 0).is_err() {
            return;
        }
    }
}

struct Kernel {
    speaker: Speaker,
    iopub: zmq::Socket,
    /// The output of the last cell, which is likely that of the next.
    prepared: (Code, Output),
}

#[derive(Deserialize)]
struct Header<'a> {
    msg_type: &'a str,
}

#[derive(Deserialize)]
struct Execute<'a> {
    code: &'a str,
}

impl Kernel {
    /// Answers a request; `false` if it asks for the end.
    fn answer(&mut self, socket: &zmq::Socket, request: &Incoming) -> anyhow::Result<bool> {
        self.speaker.verify(request)?;
        let Header { msg_type } = serde_json::from_slice(request.header()).context("the header")?;
        let parent = request.header();
        self.publish("status", parent, BUSY, None)?;
        let (reply, content): (_, &[u8]) = match msg_type {
            "kernel_info_request" => ("kernel_info_reply", INFO),
            "execute_request" => {
                self.execute(request)?;
                ("execute_reply", br#"{"status":"ok","execution_count":1,"user_expressions":{}}"#)
            }
            "shutdown_request" => ("shutdown_reply", br#"{"status":"ok","restart":false}"#),
            _ => ("error_reply", br#"{"status":"error","ename":"Unknown","evalue":"","traceback":[]}"#),
        };
        let envelope: Vec<&[u8]> = request.envelope().collect();
        let reply =
            Outgoing { envelope: &envelope, msg_type: reply, parent, metadata: b"{}", content, buffer: None };
        self.speaker.say(socket, reply)?;
        self.publish("status", parent, IDLE, None)?;
        Ok(msg_type != "shutdown_request")
    }

    fn execute(&mut self, request: &Incoming) -> anyhow::Result<()> {
        let Execute { code } = serde_json::from_slice(request.content()).context("an execute_request")?;
        let code: Code = code.parse()?;
        if self.prepared.0 != code {
            self.prepared = (code, code.output());
        }
        let (_, output) = std::mem::replace(&mut self.prepared, (Code::Echo, Output::default()));
        for _ in 0..code.outputs() {
            self.publish(output.msg_type, request.header(), &output.content, output.buffer.as_deref())?;
        }
        self.prepared = (code, output);
        Ok(())
    }

    fn publish(
        &mut self,
        msg_type: &str,
        parent: &[u8],
        content: &[u8],
        buffer: Option<&[u8]>,
    ) -> anyhow::Result<()> {
        let message =
            Outgoing { envelope: &[b"kernel.synthetic"], msg_type, parent, metadata: b"{}", content, buffer };
        self.speaker.say(&self.iopub, message)
    }
}
