//! The client: a DEALER and a SUB of libzmq, as Jupyter's own clients have them.
//!
//! It signs all that it sends. What it receives it verifies only while [`Client::verify`] is set, which is in the check
//! pass and never in a timed one, for all contenders alike: what is measured is the way, not the client.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jupyter_fleet::{channel::Channel, jupyter::connection_file::ConnectionFile};
use zmq::SocketType;

use crate::common::{
    code::Code,
    incoming::Incoming,
    kernel,
    wire::{IDLE, Outgoing, Speaker},
};

const SESSION: &str = "bench-client";

/// Time for any answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Time for a contender to come up, and how often it is asked meanwhile.
const START: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum Request {
    KernelInfo,
    Execute(Code),
}

/// What came back.
#[derive(Debug, Default, Clone, Copy)]
pub struct Answer {
    /// From sending to the reply.
    pub reply: Duration,
    /// From sending until both reply and `idle` were there.
    pub done: Duration,
    /// Messages between `busy` and `idle`.
    pub outputs: usize,
    /// Bytes of their contents and buffers.
    pub bytes: usize,
}

pub struct Client {
    shell: zmq::Socket,
    iopub: zmq::Socket,
    speaker: Speaker,
    incoming: Incoming,
    /// Whether signatures of what comes are checked.
    pub verify: bool,
}

impl Client {
    /// Connects and asks until both shell and iopub have answered.
    pub fn connect(file: &ConnectionFile) -> anyhow::Result<Self> {
        let context = zmq::Context::new();
        let iopub = connected(&context, SocketType::SUB, file, Channel::IoPub)?;
        iopub.set_subscribe(b"")?;
        let shell = connected(&context, SocketType::DEALER, file, Channel::Shell)?;
        let mut client = Self {
            shell,
            iopub,
            speaker: Speaker::new(file, SESSION)?,
            incoming: Incoming::of(Vec::new()),
            verify: false,
        };
        client.set_patience(ASK_AGAIN)?;
        let start = Instant::now();
        while client.round_trip(Request::KernelInfo).is_err() {
            ensure!(start.elapsed() < START, "nobody answered a kernel_info_request within {START:?}");
        }
        client.set_patience(ANSWER)?;
        Ok(client)
    }

    /// Asks and waits for the reply, then for `idle`.
    pub fn round_trip(&mut self, request: Request) -> anyhow::Result<Answer> {
        let start = Instant::now();
        self.send(request)?;
        self.receive_reply()?;
        let reply = start.elapsed();
        let (outputs, bytes) = self.receive_until_idle()?;
        Ok(Answer { reply, done: start.elapsed(), outputs, bytes })
    }

    /// Executes and reads what is published while it comes, then the reply.
    pub fn listen(&mut self, code: Code) -> anyhow::Result<Answer> {
        let start = Instant::now();
        self.send(Request::Execute(code))?;
        let (outputs, bytes) = self.receive_until_idle()?;
        self.receive_reply()?;
        let done = start.elapsed();
        Ok(Answer { reply: done, done, outputs, bytes })
    }

    /// Whether the last message came from the kernel itself. A proxy that answers in its place is not measured.
    pub fn heard_kernel(&self) -> anyhow::Result<()> {
        ensure!(self.incoming.is_from(kernel::SESSION), "an answer did not come from the kernel");
        Ok(())
    }

    fn send(&mut self, request: Request) -> anyhow::Result<()> {
        let content;
        let (msg_type, content): (_, &[u8]) = match request {
            Request::KernelInfo => ("kernel_info_request", b"{}"),
            Request::Execute(code) => {
                content = format!(
                    r#"{{"code":"{code}","silent":false,"store_history":true,"user_expressions":{{}},"allow_stdin":false,"stop_on_error":true}}"#
                );
                ("execute_request", content.as_bytes())
            }
        };
        let message =
            Outgoing { envelope: &[], msg_type, parent: b"{}", metadata: b"{}", content, buffer: None };
        self.speaker.say(&self.shell, message)
    }

    fn receive_reply(&mut self) -> anyhow::Result<()> {
        loop {
            receive(&mut self.incoming, &self.shell).context("waiting for a reply")?;
            if self.is_mine()? {
                return Ok(());
            }
        }
    }

    fn receive_until_idle(&mut self) -> anyhow::Result<(usize, usize)> {
        let (mut outputs, mut bytes) = (0, 0);
        loop {
            receive(&mut self.incoming, &self.iopub)
                .with_context(|| format!("waiting for idle, after {outputs} outputs"))?;
            if !self.is_mine()? {
                continue;
            }
            match self.incoming.content() {
                IDLE => return Ok((outputs, bytes)),
                content if content.starts_with(br#"{"execution_state""#) => {}
                content => {
                    outputs += 1;
                    bytes += content.len() + self.incoming.buffer().len();
                }
            }
        }
    }

    /// Whether what came answers the last request.
    fn is_mine(&self) -> anyhow::Result<bool> {
        if self.verify {
            self.speaker.verify(&self.incoming)?;
        }
        Ok(self.incoming.parent() == self.speaker.header())
    }

    fn set_patience(&self, patience: Duration) -> anyhow::Result<()> {
        let milliseconds = i32::try_from(patience.as_millis())?;
        self.shell.set_rcvtimeo(milliseconds)?;
        Ok(self.iopub.set_rcvtimeo(milliseconds)?)
    }
}

fn receive(incoming: &mut Incoming, socket: &zmq::Socket) -> anyhow::Result<()> {
    match incoming.receive(socket) {
        Ok(()) => Ok(()),
        Err(zmq::Error::EAGAIN) => bail!("nothing came in time"),
        Err(error) => Err(error.into()),
    }
}

/// Makes a socket that never drops and does not linger, and connects it.
fn connected(
    context: &zmq::Context,
    kind: SocketType,
    file: &ConnectionFile,
    channel: Channel,
) -> anyhow::Result<zmq::Socket> {
    let socket = context.socket(kind)?;
    socket.set_sndhwm(0)?;
    socket.set_rcvhwm(0)?;
    socket.set_linger(0)?;
    if kind == SocketType::DEALER {
        socket.set_identity(SESSION.as_bytes())?;
    }
    socket.connect(&file.address(channel).to_string())?;
    Ok(socket)
}
