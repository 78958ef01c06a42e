//! Who is owed which reply, kept as a plain list.

use super::super::*;
use super::operation::{Operation, session};

/// All requests that were ever tracked, in order. The address of each is its place in the list.
#[derive(Default)]
pub(super) struct Replies(Vec<Owed>);

struct Owed {
    kernel: KernelId,
    session: String,
    msg_id: String,
    msg_type: &'static str,
    settled: bool,
    /// The kernel has said that it is done with it.
    done: bool,
}

impl Replies {
    pub(super) fn perform(&mut self, operation: &Operation, fleet: &mut Fleet) {
        match *operation {
            Operation::Track { kernel: number, client, msg_id, msg_type } => {
                let session = session(client);
                let is_comm = msg_type == "comm_msg";
                let alike =
                    |owed: &&Owed| owed.session == session && (owed.msg_type == "comm_msg") == is_comm;
                let owed = self.0.iter().filter(|owed| !owed.settled && !owed.done).filter(alike).count();
                let allowed = owed < fleet.table.settings.requests_in_flight;
                let (id, msg_id) = (kernel(number), msg_id.to_string());
                let known = fleet.table.kernels.contains_key(&id);
                let address = u32::try_from(self.0.len()).unwrap();
                assert_eq!(
                    fleet.track(&id, &session, &msg_id, msg_type, address),
                    known && (allowed || is_comm)
                );
                if known && allowed {
                    self.0.push(Owed { kernel: id, session, msg_id, msg_type, settled: false, done: false });
                }
            }
            Operation::Reply { kernel: number, session: from, msg_id } => {
                let (id, msg_id, session) = (kernel(number), msg_id.to_string(), session(from));
                let expected = self.first(&id, &msg_id, &session);
                assert_eq!(fleet.answered(&id, &msg_id, &session).map(|address| address as usize), expected);
                self.settle(expected);
            }
            Operation::Finished { kernel: number, session: from, msg_id } => {
                let (id, msg_id, session) = (kernel(number), msg_id.to_string(), session(from));
                fleet.table.finished(&id, &msg_id, &session);
                let first = self.first(&id, &msg_id, &session);
                if let Some(first) = first {
                    let Owed { msg_type, settled, done, .. } = &mut self.0[first];
                    *(if *msg_type == "comm_msg" { settled } else { done }) = true;
                }
            }
            Operation::InputAsked { kernel: number, session: from, msg_id } => {
                let (id, msg_id, session) = (kernel(number), msg_id.to_string(), session(from));
                let asked = fleet.table.input_asked(&id, (&msg_id, &session), "question");
                let asked = asked.map(|asked| asked.address as usize);
                assert_eq!(asked, self.first(&id, &msg_id, &session));
            }
            Operation::Down { kernel: number } => {
                let lost = fleet.table.kernel_is_down(&kernel(number));
                self.lose(&kernel(number), lost);
            }
            Operation::Remove { kernel: number } => {
                let lost = fleet.table.remove_kernel(&kernel(number));
                self.lose(&kernel(number), lost);
            }
            ref other => unreachable!("{other:?} is the world's"),
        }
    }

    /// The first request that a message with this parent header can be about.
    fn first(&self, kernel: &KernelId, msg_id: &str, session: &str) -> Option<usize> {
        self.0.iter().position(|owed| {
            let about = owed.kernel == *kernel && owed.msg_id == msg_id;
            about && !owed.settled && (session.is_empty() || owed.session == session)
        })
    }

    fn settle(&mut self, place: Option<usize>) {
        if let Some(place) = place {
            self.0[place].settled = true;
        }
    }

    fn lose(&mut self, kernel: &KernelId, lost: Vec<Outstanding<u32>>) {
        let lost: BTreeSet<usize> = lost.into_iter().map(|request| request.address as usize).collect();
        let mut expected = BTreeSet::new();
        for (place, owed) in self.0.iter_mut().enumerate() {
            if owed.kernel == *kernel && !owed.settled {
                owed.settled = true;
                expected.insert(place);
            }
        }
        assert_eq!(lost, expected);
    }

    pub(super) fn owed_by(&self, kernel: &KernelId) -> usize {
        self.0.iter().filter(|owed| owed.kernel == *kernel && !owed.settled && !owed.done).count()
    }

    pub(super) fn check_all_are_settled(&self) {
        assert!(self.0.iter().all(|owed| owed.settled));
    }
}
