//! What happened how often: counters that any task may raise.

mod trouble;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

pub use self::trouble::{Trouble, Troubles};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// The counters of one `serve`.
        #[derive(Debug, Default)]
        pub struct Metrics {$(
            $(#[$doc])*
            pub $name: Counter,
        )+
            /// What peers did wrong.
            pub troubles: Troubles,
        }

        impl Metrics {
            /// Each counter's name and how often it has been raised.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                let own = [$((stringify!($name), self.$name.count())),+];
                own.into_iter().chain(self.troubles.counts()).collect()
            }
        }

        impl fmt::Display for Metrics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let said: Vec<String> = self.counts().iter().map(|(name, count)| format!("{name}={count}")).collect();
                f.write_str(&said.join(" "))
            }
        }
    };
}
counters! {
    /// Connections whose handshake was complete.
    connections,
    /// Connections that were refused or broke a rule.
    refused_connections,
    /// Requests that were forwarded to kernels.
    requests,
    /// Replies that were forwarded to clients.
    replies,
    /// Iopub messages of kernels.
    published,
    /// Iopub messages that a subscriber was too slow for.
    lost,
}
