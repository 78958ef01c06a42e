//! What may happen to a table, at random. Numbers name clients, origins and so on; those of what does not exist are
//! meant to occur.

use proptest::prelude::*;

use super::super::*;

pub(super) const CLIENTS: usize = 6;
/// From this on, clients come by a kernel's own connection file.
const BY_OWN_FILE: usize = 4;
const MSG_IDS: usize = 3;

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Connect {
        client: usize,
        origin: usize,
    },
    Disconnect {
        client: usize,
    },
    Subscribe {
        origin: usize,
        by_own_file: bool,
    },
    Topics {
        subscriber: usize,
        topics: usize,
    },
    Widen {
        subscriber: usize,
    },
    Unsubscribe {
        subscriber: usize,
    },
    /// Its connection breaks, and messages may be retained for it.
    Break {
        subscriber: usize,
    },
    /// Long ago, another took over from it.
    EndInheritance {
        subscriber: usize,
    },
    Decide {
        client: usize,
        kind: RequestKind,
        wish: usize,
    },
    Visit {
        client: usize,
        wish: usize,
    },
    Move {
        client: usize,
        wish: usize,
        to_a_new_one: bool,
    },
    LeaveVisited {
        client: usize,
    },
    Track {
        kernel: usize,
        client: usize,
        msg_id: usize,
        msg_type: &'static str,
    },
    Reply {
        kernel: usize,
        session: usize,
        msg_id: usize,
    },
    Finished {
        kernel: usize,
        session: usize,
        msg_id: usize,
    },
    InputAsked {
        kernel: usize,
        session: usize,
        msg_id: usize,
    },
    Ready {
        kernel: usize,
    },
    Down {
        kernel: usize,
    },
    Remove {
        kernel: usize,
    },
    Wait {
        seconds: u64,
    },
}

pub(super) const WISHES: [&str; 13] = [
    "",
    "",
    "{}",
    r#"{"runtime": "lua"}"#,
    r#"{"runtime": "gpu"}"#,
    r#"{"runtime": "gpu"}"#,
    r#"{"isolated": true}"#,
    r#"{"group": "team-a"}"#,
    r#"{"kernel": "k0"}"#,
    r#"{"kernel": "k1", "group": "team-a"}"#,
    r#"{"providers": ["openai"], "isolated": true}"#,
    r#"{"runtime": "julia"}"#,
    r#"{"runtmie": "lua"}"#,
];

/// Two processes of one user, one of another, a tunnel's that never has a client, and so on.
pub(super) fn origin(number: usize) -> Origin {
    let all = [
        process(1),
        process(2),
        Origin::Process { uid: 2000, pid: 3 },
        process(70),
        Origin::User { uid: 1000 },
        Origin::Address([192, 0, 2, 1].into()),
        Origin::Address([192, 0, 2, 2].into()),
        Origin::Unknown,
    ];
    all[number % all.len()]
}

/// Sessions of clients, then a stranger's, then none.
pub(super) fn session(number: usize) -> String {
    match number {
        CLIENTS => "stranger".to_owned(),
        number if number > CLIENTS => String::new(),
        number if number >= BY_OWN_FILE => format!("own s{number}"),
        number => format!("s{number}"),
    }
}

fn kind() -> impl Strategy<Value = RequestKind> {
    prop_oneof![
        6 => Just(RequestKind::Other),
        3 => Just(RequestKind::KernelInfo),
        1 => Just(RequestKind::Connect),
        1 => Just(RequestKind::Interrupt),
        2 => Just(RequestKind::InputReply),
        1 => any::<bool>().prop_map(|restart| RequestKind::Shutdown { restart }),
    ]
}

fn of_clients() -> impl Strategy<Value = Operation> {
    let msg_types = prop::sample::select(vec!["execute_request", "kernel_info_request", "comm_msg"]);
    let track = (0..4_usize, 0..CLIENTS, 0..MSG_IDS, msg_types);
    prop_oneof![
        3 => (0..CLIENTS, 0..7_usize)
            .prop_filter("a tunnel", |(_, origin)| *origin != 3)
            .prop_map(|(client, origin)| Operation::Connect { client, origin }),
        2 => (0..CLIENTS).prop_map(|client| Operation::Disconnect { client }),
        6 => (0..CLIENTS, kind(), 0..WISHES.len())
            .prop_map(|(client, kind, wish)| Operation::Decide { client, kind, wish }),
        3 => (0..CLIENTS, 0..WISHES.len()).prop_map(|(client, wish)| Operation::Visit { client, wish }),
        1 => (0..CLIENTS, 0..WISHES.len(), any::<bool>())
            .prop_map(|(client, wish, to_a_new_one)| Operation::Move { client, wish, to_a_new_one }),
        1 => (0..CLIENTS).prop_map(|client| Operation::LeaveVisited { client }),
        4 => track.prop_map(|(kernel, client, msg_id, msg_type)| {
            Operation::Track { kernel, client, msg_id, msg_type }
        }),
    ]
}

fn of_subscribers() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (0..8_usize, prop::bool::weighted(0.3))
            .prop_map(|(origin, by_own_file)| Operation::Subscribe { origin, by_own_file }),
        1 => (0..6_usize, 0..2_usize)
            .prop_map(|(subscriber, topics)| Operation::Topics { subscriber, topics }),
        2 => (0..6_usize).prop_map(|subscriber| Operation::Widen { subscriber }),
        1 => (0..6_usize).prop_map(|subscriber| Operation::Unsubscribe { subscriber }),
        2 => (0..6_usize).prop_map(|subscriber| Operation::Break { subscriber }),
        1 => (0..6_usize).prop_map(|subscriber| Operation::EndInheritance { subscriber }),
        1 => (0..40_u64).prop_map(|seconds| Operation::Wait { seconds }),
    ]
}

fn of_kernels() -> impl Strategy<Value = Operation> {
    let kernel = || 0..5_usize;
    let parent = || (kernel(), 0..CLIENTS + 2, 0..MSG_IDS);
    prop_oneof![
        4 => parent().prop_map(|(kernel, session, msg_id)| Operation::Reply { kernel, session, msg_id }),
        2 => parent().prop_map(|(kernel, session, msg_id)| Operation::Finished { kernel, session, msg_id }),
        1 => parent().prop_map(|(kernel, session, msg_id)| Operation::InputAsked { kernel, session, msg_id }),
        2 => kernel().prop_map(|kernel| Operation::Ready { kernel }),
        1 => kernel().prop_map(|kernel| Operation::Down { kernel }),
        1 => kernel().prop_map(|kernel| Operation::Remove { kernel }),
    ]
}

/// Histories of up to 80 steps.
pub(super) fn histories() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(prop_oneof![4 => of_clients(), 3 => of_subscribers(), 3 => of_kernels()], 1..80)
}
