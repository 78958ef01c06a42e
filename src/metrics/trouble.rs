//! What peers do wrong: each kind is counted, and logged once per peer with its reason.

use super::Counter;

macro_rules! troubles {
    ($($(#[$doc:meta])* $kind:ident $name:ident,)+) => {
        /// A kind of trouble with a peer: a client, a stranger, or a kernel, which runs users' code.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Trouble {$(
            $(#[$doc])*
            $kind,
        )+}

        /// How often there was trouble of each kind.
        #[derive(Debug, Default)]
        pub struct Troubles {$(
            $name: Counter,
        )+}

        impl Troubles {
            /// The counter of one kind.
            pub fn of(&self, trouble: Trouble) -> &Counter {
                match trouble {
                    $(Trouble::$kind => &self.$name,)+
                }
            }

            /// Each kind's name, and how often there was such trouble.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.count())),+]
            }
        }
    };
}
troubles! {
    /// A connection ended, or was reset, before its handshake was complete.
    TornHandshake torn_handshakes,
    /// A handshake was not complete in time.
    SlowHandshake slow_handshakes,
    /// Something other than a greeting and a READY of ours.
    BadHandshake bad_handshakes,
    /// There was no more room for those who have not shown that they hold a key.
    TooManyStrangers too_many_strangers,
    /// A frame or message beyond the limits, or against the rules.
    BadFrame bad_frames,
    /// A command, or a subscription, where none belongs.
    MisplacedCommand misplaced_commands,
    /// A stranger took too long for one message.
    SlowMessage slow_messages,
    /// PINGs of which nobody reads the answers.
    UnreadPongs unread_pongs,
    /// More or longer subscriptions than are allowed.
    TooManySubscriptions too_many_subscriptions,
    /// A message of a client without delimiter, parts or header.
    Malformed malformed,
    /// A message of a client with a wrong signature.
    BadlySigned badly_signed,
    /// A message of a client that had come before.
    Replayed replayed,
    /// A connection that was ended for too many refused messages.
    Misbehaved misbehaved,
    /// A client that does not read its replies.
    UnreadReplies unread_replies,
    /// Iopub messages that came faster than a client reads.
    SlowListener slow_listeners,
    /// A message of a kernel that nobody asked for.
    Stray stray,
    /// A message of a kernel without delimiter, parts or header.
    KernelMalformed kernel_malformed,
    /// A message of a kernel with a wrong signature.
    KernelBadlySigned kernel_badly_signed,
    /// A kernel that lived, and closed a channel or broke the rules on it.
    KernelBroke kernels_broke,
    /// A kernel that never came up.
    KernelNeverUp kernels_never_up,
    /// A kernel that did not echo its heartbeat.
    KernelSilent kernels_silent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_under_its_name() {
        let troubles = Troubles::default();
        troubles.of(Trouble::Replayed).increment();
        troubles.of(Trouble::BadFrame).add(2);
        let raised: Vec<_> = troubles.counts().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(raised, [("bad_frames", 2), ("replayed", 1)]);
    }
}
