//! The run of messages that most of a kernel's subscribers get in the same words: one signature, one copy of the bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::{broadcast::Broadcast, subscriber::Subscriber};
use crate::{jupyter::message::Envelope, net::Run, proxy::frontend::endpoint::Endpoint, route::Hearing};

/// The fewest that gain by sharing.
const FEWEST: usize = 2;

/// What is being written for several subscribers in one batch. Who they are is settled at the first message of the batch,
/// and known by [`Subscriber::shares_run`].
#[derive(Debug, Default)]
pub(crate) struct Shared {
    run: Run,
    sharers: Sharers,
    /// What the run's first message answers.
    parent: Bytes,
}

/// Who shares.
#[derive(Debug, Default)]
enum Sharers {
    /// No message of the batch has come yet.
    #[default]
    Unknown,
    Nobody,
    /// Those whom this connection file has brought.
    Of(Arc<Endpoint>),
}

impl Shared {
    /// Appends a message for all who share; `false` if they have to get it like everyone else.
    pub(crate) fn add(
        &mut self,
        subscribers: &mut [Subscriber],
        envelope: &Envelope,
        message: &mut Broadcast,
    ) -> bool {
        if matches!(self.sharers, Sharers::Unknown) {
            self.sharers = choose(subscribers);
        }
        let Sharers::Of(endpoint) = &self.sharers else { return false };
        let Some(signed) = message.signed_for(endpoint).filter(|signed| Run::suits(signed)) else {
            return false;
        };
        if self.run.is_empty() {
            self.parent = signed.body().parent_header().clone();
        }
        self.run.add(envelope, signed);
        true
    }

    /// Queues what has been written; returns for how many messages it was too much.
    pub(crate) fn write_to(&mut self, subscribers: &mut [Subscriber]) -> u64 {
        let Some(run) = self.run.take() else { return 0 };
        let parent = std::mem::take(&mut self.parent);
        let sharing = subscribers.iter_mut().filter(|subscriber| subscriber.shares_run);
        sharing.map(|subscriber| subscriber.push_run(&run, &parent)).sum()
    }

    /// The batch is over: who shares is asked again with the next.
    pub(crate) fn forget(&mut self) {
        self.sharers = Sharers::Unknown;
    }
}

/// Those who hear and want everything and have missed nothing, if they are several.
fn choose(subscribers: &mut [Subscriber]) -> Sharers {
    let may_share = |subscriber: &Subscriber| {
        subscriber.hearing == Hearing::Everything && subscriber.lost == 0 && subscriber.topics.want_all()
    };
    let first = subscribers.iter().find(|subscriber| may_share(subscriber));
    let Some(endpoint) = first.map(|subscriber| subscriber.connection.endpoint.clone()) else {
        return Sharers::Nobody;
    };
    let mut sharing = 0;
    for subscriber in subscribers {
        subscriber.shares_run = may_share(subscriber) && subscriber.connection.endpoint.id == endpoint.id;
        sharing += usize::from(subscriber.shares_run);
    }
    if sharing < FEWEST { Sharers::Nobody } else { Sharers::Of(endpoint) }
}
