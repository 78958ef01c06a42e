//! A kernel on libzmq that answers from a script.
use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, channel},
    thread,
};

use bytes::Bytes;
use jupyter_fleet::{
    channel::Channel,
    frames::Frames,
    jupyter::{message::Unverified, reply::MessageBuilder, signature::Signer},
    runtimes::write_connection_file,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use zmq::{Context, Socket, SocketType};

use crate::common::kernel::{DEADLINE, connection_file};

/// What a script lets the kernel say: on shell or iopub, as an answer to the request or to somebody else's.
pub struct Line {
    pub channel: Channel,
    pub msg_type: &'static str,
    pub content: Value,
    pub foreign: bool,
}

pub fn published(msg_type: &'static str, content: Value) -> Line {
    Line { channel: Channel::IoPub, msg_type, content, foreign: false }
}

pub fn replied(msg_type: &'static str, content: Value) -> Line {
    Line { channel: Channel::Shell, msg_type, content, foreign: false }
}

pub struct Fake {
    pub path: PathBuf,
    /// The metadata of what the kernel was sent on shell.
    pub metadata: Receiver<Value>,
    _kept: TempDir,
}

impl Fake {
    /// Starts a kernel that says `info` to each `kernel_info_request` and `script` to each `execute_request`. It ends
    /// by itself once nothing more is asked of it for a while.
    pub fn start(info: Value, script: impl Fn() -> Vec<Line> + Send + 'static) -> Self {
        let kept = TempDir::new().unwrap();
        let file = connection_file(&kept, "a key");
        let path = kept.path().join("fake.json");
        write_connection_file(&path, &file).unwrap();
        let signer = Signer::new(file.signature_scheme, file.key.as_ref());
        let context = Context::new();
        let bind = |channel: Channel, socket: SocketType| {
            let bound = context.socket(socket).unwrap();
            bound.bind(&file.address(channel).to_string()).unwrap();
            bound
        };
        let (shell, iopub) =
            (bind(Channel::Shell, SocketType::ROUTER), bind(Channel::IoPub, SocketType::PUB));
        let others = [Channel::Stdin, Channel::Control].map(|channel| bind(channel, SocketType::ROUTER));
        let (told, metadata) = channel();
        thread::spawn(move || {
            let _others = others;
            while shell.poll(zmq::POLLIN, DEADLINE.as_millis() as i64).unwrap() > 0 {
                let parts = shell.recv_multipart(0).unwrap();
                let frames: Frames = parts.iter().cloned().map(Bytes::from).collect();
                let request = signer.verify(Unverified::split(frames).unwrap()).unwrap();
                let read = |part: &Bytes| serde_json::from_slice::<Value>(part).unwrap();
                let header = request.body().header();
                if told.send(read(request.body().metadata())).is_err() {
                    return;
                }
                let lines = match read(header)["msg_type"].as_str().unwrap() {
                    "kernel_info_request" => vec![
                        published("status", json!({"execution_state": "busy"})),
                        replied("kernel_info_reply", info.clone()),
                        published("status", json!({"execution_state": "idle"})),
                    ],
                    _ => script(),
                };
                for line in lines {
                    say(&signer, [&shell, &iopub], &parts[0], header, line);
                }
            }
        });
        Self { path, metadata, _kept: kept }
    }
}

fn say(signer: &Signer, [shell, iopub]: [&Socket; 2], identity: &[u8], header: &Bytes, line: Line) {
    let foreign = Bytes::from_static(b"{\"msg_id\":\"foreign\",\"session\":\"foreign\"}");
    let parent = if line.foreign { &foreign } else { header };
    let body = MessageBuilder::new("fake").say_raw(line.msg_type, line.content, parent);
    let (socket, first) = match line.channel {
        Channel::IoPub => (iopub, &b"topic"[..]),
        _ => (shell, identity),
    };
    let signed = signer.sign(body);
    let frames = std::iter::once(first.to_vec()).chain(signed.frames().map(|frame| frame.to_vec()));
    socket.send_multipart(frames, 0).unwrap();
}
