//! The wire to llmspell: what is asked on shell, and what iopub says to it.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::news::News;
use crate::{
    channel::Channel,
    jupyter::{
        connection_file::{ConnectionFile, ConnectionFileError},
        header::Header,
        message::{Body, Envelope, Unverified},
        reply::MessageBuilder,
        signature::Signer,
    },
    limits::Limits,
    net::{DialError, Dialler, Event, Peer, PeerError},
};

/// All its replies go to this routing id, whoever asked.
const ROUTING_ID: Bytes = Bytes::from_static(b"inprocess_client");

/// How long it may take to answer before it is dialled again: while it takes an earlier connection with this routing id
/// for alive, it ignores the next for its whole life.
const ANSWERS_IN: Duration = Duration::from_secs(2);

/// The pause between two connections with one routing id.
const PAUSE: Duration = Duration::from_millis(100);

/// How long its text may come after it said that a cell has ended.
const LATE: Duration = Duration::from_millis(50);

/// Why llmspell cannot be talked to.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    #[error("its connection file {0}")]
    File(#[from] ConnectionFileError),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("it closed the connection")]
    Closed,
    #[error("it does not answer")]
    Silent,
}

/// Connections to a running llmspell.
#[derive(Debug)]
pub(super) struct Client {
    shell: Peer,
    iopub: Peer,
    signer: Signer,
    builder: MessageBuilder,
    news: VecDeque<News>,
    batch: Vec<Event>,
    /// Cells that were sent and have not ended.
    unfinished: u32,
}

impl Client {
    /// Connects, and asks until it answers on shell and on iopub. Returns what it says of itself as well.
    pub async fn connect(
        file: &ConnectionFile,
        deadline: Instant,
    ) -> Result<(Self, Map<String, Value>), ClientError> {
        loop {
            let mut client = Self::dial(file, deadline).await?;
            match timeout(ANSWERS_IN, client.ask()).await {
                Ok(info) => return Ok((client, info?)),
                Err(_) if Instant::now() >= deadline => return Err(ClientError::Silent),
                Err(_) => debug!("llmspell does not answer; dialling it again"),
            }
            drop(client);
            sleep(PAUSE).await;
        }
    }

    async fn dial(file: &ConnectionFile, deadline: Instant) -> Result<Self, ClientError> {
        let dialler = Dialler::new(file, ROUTING_ID, &Limits::default());
        let shell = dialler.dial(Channel::Shell, deadline).await?;
        let iopub = dialler.dial(Channel::IoPub, deadline).await?;
        let signer = Signer::new(file.signature_scheme, file.signing_key()?);
        let (news, batch) = (VecDeque::new(), Vec::new());
        Ok(Self {
            shell,
            iopub,
            signer,
            builder: MessageBuilder::new("jupyter-fleet"),
            news,
            batch,
            unfinished: 0,
        })
    }

    /// Asks who it is, and has it say something on iopub: a subscription takes effect some time after it was sent.
    async fn ask(&mut self) -> Result<Map<String, Value>, ClientError> {
        self.send(self.builder.say_raw("kernel_info_request", json!({}), &Bytes::new()))?;
        let info = self.kernel_info().await?;
        for number in 0.. {
            // A string alone is an expression in Lua and in JavaScript.
            let word = format!("\"jupyter-fleet {number}\"");
            self.begin(&word)?;
            if timeout(ANSWERS_IN / 10, self.hear_of(&word)).await.is_ok_and(|heard| heard.is_ok()) {
                break;
            }
        }
        self.unfinished = 0;
        Ok(info)
    }

    /// Waits for the end of the cell that evaluates to this word. Earlier ones have ended then.
    async fn hear_of(&mut self, word: &str) -> Result<(), ClientError> {
        let mut is_known = false;
        loop {
            match self.next().await? {
                News::Result(text) => is_known |= text == word,
                News::Idle if is_known => return Ok(()),
                _ => {}
            }
        }
    }

    async fn kernel_info(&mut self) -> Result<Map<String, Value>, ClientError> {
        loop {
            if !self.shell.next(&mut self.batch).await? {
                return Err(ClientError::Closed);
            }
            for event in self.batch.drain(..) {
                let Event::Message(frames) = event else { continue };
                let verified = Unverified::split(frames).ok().and_then(|m| self.signer.verify(m).ok());
                let Some(message) = verified else { continue };
                if Header::peek(&message).is_ok_and(|header| header.msg_type == "kernel_info_reply") {
                    return Ok(serde_json::from_slice(message.body().content()).unwrap_or_default());
                }
            }
        }
    }

    /// Runs a cell to its end. Cancelling this does not end the cell; the next one then waits for it.
    pub async fn run(&mut self, code: &str, hear: &mut impl FnMut(News)) -> Result<(), ClientError> {
        self.begin(code)?;
        while self.unfinished > 0 {
            match self.next().await? {
                News::Idle => self.unfinished -= 1,
                news => hear(news),
            }
        }
        Ok(())
    }

    /// Hears what comes late: behind the end of a cell.
    pub async fn hear_late(&mut self, hear: &mut impl FnMut(News)) -> Result<(), ClientError> {
        while let Ok(news) = timeout(LATE, self.next()).await {
            hear(news?);
        }
        Ok(())
    }

    fn begin(&mut self, code: &str) -> Result<(), ClientError> {
        let content = json!({
            "code": code,
            "silent": false,
            "store_history": true,
            "user_expressions": {},
            "allow_stdin": false,
            "stop_on_error": true,
        });
        self.send(self.builder.say_raw("execute_request", content, &Bytes::new()))?;
        self.unfinished += 1;
        Ok(())
    }

    fn send(&self, body: Body) -> Result<(), ClientError> {
        let sent = self.shell.signed_outbox().send(&Envelope::default(), &self.signer.sign(body));
        sent.map_err(|_| ClientError::Closed)
    }

    /// What is published next. Cancelling loses nothing.
    async fn next(&mut self) -> Result<News, ClientError> {
        let mut replies = Vec::new();
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            let is_open = tokio::select! {
                is_open = self.iopub.next(&mut self.batch) => is_open?,
                // Cells get no reply, but the connection has to be looked after.
                is_open = self.shell.next(&mut replies) => is_open?,
            };
            if !is_open {
                return Err(ClientError::Closed);
            }
            replies.clear();
            let frames = self.batch.drain(..).filter_map(|event| match event {
                Event::Message(frames) => News::read(&frames),
                Event::Subscribe(_) | Event::Cancel(_) | Event::Answered(_) => None,
            });
            self.news.extend(frames);
        }
    }
}
