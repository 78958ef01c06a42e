//! One iopub connection that hears a kernel, and what it has missed.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::{fanout::Answers, topics::Topics};
use crate::{
    jupyter::{
        message::{Envelope, Signed},
        reply::MessageBuilder,
    },
    net::{PushError, WrittenRun},
    proxy::frontend::connection::Connection,
    route::Hearing,
};

/// An iopub connection that hears this kernel.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) connection: Arc<Connection>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) hearing: Hearing,
    /// It gets the run of messages that is being written.
    pub(crate) shares_run: bool,
    /// Messages that it was too slow for, and has not been told of.
    pub(crate) lost: u64,
    /// What the first of them belonged to: frontends show a notice only under the request that it belongs to.
    lost_parent: Bytes,
    /// The latest status among what was lost: it follows the notice.
    last_status: Option<(Envelope, Signed)>,
}

impl Subscriber {
    pub(crate) fn new(connection: Arc<Connection>, topics: Arc<Topics>) -> Self {
        let hearing = Hearing::Visitors(BTreeSet::new());
        Self {
            connection,
            topics,
            hearing,
            shares_run: false,
            lost: 0,
            lost_parent: Bytes::new(),
            last_status: None,
        }
    }

    pub(crate) fn hears(&self, answers: Answers<'_>) -> bool {
        match &self.hearing {
            Hearing::Everything => true,
            Hearing::Visitors(visitors) => visitors.iter().any(answers),
        }
    }

    /// Tells the subscriber what it missed, if anything; `false` if it cannot even take that now.
    pub(crate) fn give_notice(&mut self, topic: &Envelope, builder: &MessageBuilder) -> bool {
        if self.lost > 0 {
            let text = format!(
                "[jupyter-fleet: {} messages were lost here: this client reads too slowly]",
                self.lost
            );
            let notice = self.connection.endpoint.signer.sign(builder.notice(&text, &self.lost_parent));
            if self.connection.outbox.push_urgent(topic, &notice) == Err(PushError::Full) {
                return false;
            }
            self.lost = 0;
            if let Some((envelope, status)) = self.last_status.take() {
                let _ = self.connection.outbox.push_urgent(&envelope, &status);
            }
        }
        true
    }

    /// Queues a message; `false` if the subscriber is too slow for it. After a loss, nothing is queued before the
    /// notice of it.
    pub(crate) fn push(&mut self, envelope: &Envelope, message: &Signed) -> bool {
        if self.lost > 0 {
            self.lost += 1;
            return false;
        }
        match self.connection.outbox.push(envelope, message) {
            Ok(()) | Err(PushError::Closed) => true,
            Err(PushError::Full) => {
                self.lost = 1;
                self.lost_parent = Bytes::copy_from_slice(message.body().parent_header());
                false
            }
        }
    }

    /// Queues a status, which even a slow subscriber gets, behind a notice of what it missed.
    pub(crate) fn push_status(
        &mut self,
        topic: &Envelope,
        envelope: &Envelope,
        status: &Signed,
        builder: &MessageBuilder,
    ) {
        let told = self.give_notice(topic, builder);
        if !told || self.connection.outbox.push_urgent(envelope, status) == Err(PushError::Full) {
            self.lost += 1;
            self.last_status = Some((envelope.clone(), status.clone()));
        }
    }

    /// Queues a run, the first of whose messages belongs to this request; returns how many messages were too much.
    pub(crate) fn push_run(&mut self, run: &WrittenRun, parent: &Bytes) -> u64 {
        if self.lost == 0 {
            match self.connection.outbox.push_run(run) {
                Ok(()) | Err(PushError::Closed) => return 0,
                Err(PushError::Full) => self.lost_parent = Bytes::copy_from_slice(parent),
            }
        }
        self.lost += run.messages();
        run.messages()
    }
}
