//! A Jupyter session on raw sockets.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jupyter_fleet::{channel::Channel, jupyter::connection_file::ConnectionFile};
use serde_json::{Value, json};

use super::{
    code::Code,
    incoming::Incoming,
    kernel,
    raw::Peer,
    wire::{IDLE, Outgoing, Speaker},
};

/// Time for any answer; many kernels may be starting.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Session {
    speaker: Speaker,
    shell: Peer,
    metadata: String,
}

impl Session {
    /// Opens the shell. The fleet reads from the metadata what the session needs; a kernel ignores it.
    pub fn open(file: &ConnectionFile, name: &str, needs: &Value) -> Result<Self> {
        Ok(Self {
            speaker: Speaker::new(file, name)?,
            shell: Peer::connect(file, Channel::Shell, "DEALER", name)?,
            metadata: json!({ "fleet": needs }).to_string(),
        })
    }

    /// Sends a cell of the synthetic kernel's language.
    pub fn execute(&mut self, code: Code) -> Result<()> {
        self.execute_text(&code.to_string())
    }

    /// Sends a cell.
    pub fn execute_text(&mut self, code: &str) -> Result<()> {
        let content = json!({
            "code": code, "silent": false, "store_history": true, "user_expressions": {}, "allow_stdin": false,
            "stop_on_error": true,
        });
        let request = self.speaker.write(Outgoing {
            envelope: &[],
            msg_type: "execute_request",
            parent: b"{}",
            metadata: self.metadata.as_bytes(),
            content: content.to_string().as_bytes(),
            buffer: None,
        })?;
        self.shell.send(&request)
    }

    /// Waits for the reply to the last request, which must be a success.
    pub fn reply(&mut self) -> Result<Incoming<Vec<u8>>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.shell.receive(deadline).context("waiting for a reply")?;
            if !self.is_mine(&reply) {
                continue;
            }
            let content: Value = serde_json::from_slice(reply.content())?;
            let is_ok = content.get("status").is_some_and(|status| status == "ok");
            ensure!(is_ok, "a cell failed: {content}");
            return Ok(reply);
        }
    }

    /// Waits until a subscriber hears that the last request is done; returns the contents of its outputs. All signatures
    /// are checked.
    pub fn outputs(&self, iopub: &mut Peer, deadline: Instant) -> Result<Vec<Vec<u8>>> {
        let mut outputs = Vec::new();
        loop {
            let message = iopub.receive(deadline)?;
            self.speaker.verify(&message)?;
            match message.content() {
                _ if !self.is_mine(&message) => {}
                IDLE => return Ok(outputs),
                content if content.starts_with(br#"{"execution_state""#) => {}
                content => outputs.push(content.to_vec()),
            }
        }
    }

    /// Waits until a subscriber hears that the last request is done, and checks nothing.
    pub fn idle(&self, iopub: &mut Peer) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = iopub.receive(deadline).context("waiting for idle")?;
            if message.content() == IDLE && self.is_mine(&message) {
                return Ok(());
            }
        }
    }

    fn is_mine(&self, message: &Incoming<Vec<u8>>) -> bool {
        message.parent() == self.speaker.header()
    }
}

/// Whether a message came from the synthetic kernel itself. A proxy that answers in its place is not measured.
pub fn heard_kernel(message: &Incoming<Vec<u8>>) -> Result<()> {
    ensure!(message.is_from(kernel::SESSION), "an answer did not come from the kernel");
    Ok(())
}
