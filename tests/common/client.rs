//! A Jupyter client on libzmq: a peer that shares no wire code with the kernel.
use bytes::Bytes;
use jupyter_fleet::{
    channel::Channel,
    frames::Frames,
    jupyter::{
        connection_file::ConnectionFile,
        message::{Signed, Unverified},
        reply::MessageBuilder,
        signature::Signer,
    },
};
use serde_json::{Value, json};
use zmq::{Context, Socket, SocketType};

use super::kernel::DEADLINE;

/// One message as it came, read.
#[derive(Debug, Clone)]
pub struct Message {
    pub topic: String,
    pub msg_type: String,
    pub parent: String,
    pub content: Value,
}

/// What came of an `execute_request`.
#[derive(Debug)]
pub struct Ran {
    pub reply: Value,
    /// Everything on iopub that names the request as its parent, in order, `status` too.
    pub iopub: Vec<Message>,
}

pub struct Client {
    pub builder: MessageBuilder,
    pub signer: Signer,
    shell: Socket,
    iopub: Socket,
    stdin: Socket,
    control: Socket,
    heartbeat: Socket,
    /// The first thing that iopub said.
    pub welcome: Message,
}

impl Client {
    pub fn connect(file: &ConnectionFile) -> Self {
        let signer = Signer::new(file.signature_scheme, file.key.as_ref());
        let mut client = Self::unwelcome(file, signer);
        client.welcome = client.receive(Channel::IoPub);
        client
    }

    /// A client that waits for nothing, with a key of its own.
    pub fn unwelcome(file: &ConnectionFile, signer: Signer) -> Self {
        let context = Context::new();
        let builder = MessageBuilder::new("test");
        let open = |channel: Channel, socket: SocketType| {
            let opened = context.socket(socket).unwrap();
            opened.set_rcvtimeo(DEADLINE.as_millis() as i32).unwrap();
            opened.set_rcvhwm(0).unwrap();
            opened.set_linger(0).unwrap();
            if socket == SocketType::DEALER {
                opened.set_identity(builder.session().as_bytes()).unwrap();
            }
            if socket == SocketType::SUB {
                opened.set_subscribe(b"").unwrap();
            }
            opened.connect(&file.address(channel).to_string()).unwrap();
            opened
        };
        Self {
            shell: open(Channel::Shell, SocketType::DEALER),
            iopub: open(Channel::IoPub, SocketType::SUB),
            stdin: open(Channel::Stdin, SocketType::DEALER),
            control: open(Channel::Control, SocketType::DEALER),
            heartbeat: open(Channel::Heartbeat, SocketType::REQ),
            welcome: Message { topic: "".into(), msg_type: "".into(), parent: "".into(), content: json!({}) },
            builder,
            signer,
        }
    }

    pub fn socket(&self, channel: Channel) -> &Socket {
        match channel {
            Channel::Shell => &self.shell,
            Channel::IoPub => &self.iopub,
            Channel::Stdin => &self.stdin,
            Channel::Control => &self.control,
            Channel::Heartbeat => &self.heartbeat,
        }
    }

    /// Sends a request and returns its `msg_id`.
    pub fn send(&self, channel: Channel, msg_type: &str, content: Value) -> String {
        let (id, message) = self.message(msg_type, content);
        let frames = message.frames().map(|frame| frame.to_vec());
        self.socket(channel).send_multipart(frames, 0).unwrap();
        id
    }

    /// Sends a message with a parent header.
    pub fn send_answering(&self, channel: Channel, msg_type: &str, content: Value, parent: &Value) {
        let body = self.builder.say_raw(msg_type, content, &parent.to_string().into());
        let frames = self.signer.sign(body).frames().map(|frame| frame.to_vec()).collect::<Vec<_>>();
        self.socket(channel).send_multipart(frames, 0).unwrap();
    }

    /// A signed request and its `msg_id`.
    pub fn message(&self, msg_type: &str, content: Value) -> (String, Signed) {
        let body = self.builder.say_raw(msg_type, content, &Bytes::new());
        let header: Value = serde_json::from_slice(body.header()).unwrap();
        (header["msg_id"].as_str().unwrap().to_owned(), self.signer.sign(body))
    }

    /// The next message of a channel, its signature checked.
    pub fn receive(&self, channel: Channel) -> Message {
        let parts = self.socket(channel).recv_multipart(0);
        let parts = parts.unwrap_or_else(|error| panic!("nothing more on {channel}: {error}"));
        let frames: Frames = parts.into_iter().map(Bytes::from).collect();
        let verified = self.signer.verify(Unverified::split(frames).unwrap()).unwrap();
        let read = |part: &Bytes| serde_json::from_slice::<Value>(part).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Message {
            topic: String::from_utf8(verified.envelope().first().to_vec()).unwrap(),
            msg_type: text(&read(verified.body().header())["msg_type"]),
            parent: text(&read(verified.body().parent_header())["msg_id"]),
            content: read(verified.body().content()),
        }
    }

    /// Sends a request and waits for its reply.
    pub fn ask(&self, channel: Channel, msg_type: &str, content: Value) -> Value {
        let id = self.send(channel, msg_type, content);
        self.reply(channel, &id, &msg_type.replace("_request", "_reply"))
    }

    /// Waits for the reply to a request; replies to others may not come before.
    pub fn reply(&self, channel: Channel, request: &str, msg_type: &str) -> Value {
        let reply = self.receive(channel);
        assert_eq!((reply.msg_type.as_str(), reply.parent.as_str()), (msg_type, request));
        reply.content
    }

    /// Runs a cell to its end.
    pub fn execute(&self, code: &str) -> Ran {
        self.execute_with(json!({ "code": code }))
    }

    /// Runs a cell with the given content to its end.
    pub fn execute_with(&self, content: Value) -> Ran {
        let id = self.send(Channel::Shell, "execute_request", content);
        self.ran(&id)
    }

    /// Waits for the reply and the end of a request to run a cell.
    pub fn ran(&self, id: &str) -> Ran {
        let reply = self.reply(Channel::Shell, id, "execute_reply");
        Ran { reply, iopub: self.published(id) }
    }

    /// What is published for a request, up to and with its `idle`. What belongs to others is skipped.
    pub fn published(&self, id: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let message = self.receive(Channel::IoPub);
            if message.parent != id {
                continue;
            }
            let done = message.content["execution_state"] == "idle";
            messages.push(message);
            if done {
                return messages;
            }
        }
    }
}

impl Ran {
    /// The types of what was published.
    pub fn types(&self) -> Vec<&str> {
        self.iopub.iter().map(|message| message.msg_type.as_str()).collect()
    }

    /// The contents of one type.
    pub fn contents(&self, msg_type: &str) -> Vec<&Value> {
        self.iopub.iter().filter(|message| message.msg_type == msg_type).map(|m| &m.content).collect()
    }

    /// The text of one stream.
    pub fn text(&self, name: &str) -> String {
        let texts = self.contents("stream").into_iter().filter(|content| content["name"] == name);
        texts.map(|content| content["text"].as_str().unwrap()).collect()
    }

    /// The value of the cell.
    pub fn value(&self) -> &str {
        self.contents("execute_result")[0]["data"]["text/plain"].as_str().unwrap()
    }
}
