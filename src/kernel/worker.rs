//! The language's own thread: takes shell's requests in order, and answers each before the next.

use std::{collections::VecDeque, io, sync::Arc, thread};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    content::{Inspect, IsComplete},
    control,
    history::{History, HistoryRequest},
    language::{Completeness, Gone, Language},
    request::Request,
    running::Kernel,
};
use crate::jupyter::reply::Failure;

/// Batches of requests that wait for the language; then their connections are no longer read.
const LONGEST_QUEUE: usize = 1024;

/// Deep recursion in a language's own functions needs more than a thread's usual 2 MB.
const STACK_BYTES: usize = 8 << 20;

/// The way to the language's thread. What was sent as one batch is never torn apart by an abort.
pub(super) type Queue = mpsc::Sender<Vec<Request>>;

/// What the language's thread owns.
pub(super) struct Worker<L> {
    pub(super) language: L,
    pub(super) kernel: Arc<Kernel>,
    pub(super) history: History,
    /// The number of the next cell that counts.
    pub(super) execution_count: u32,
    queue: mpsc::Receiver<Vec<Request>>,
    pending: VecDeque<Pending>,
}

struct Pending {
    request: Arc<Request>,
    /// Whether a cell that it was queued behind has failed.
    aborted: bool,
}

impl<L: Language> Worker<L> {
    pub fn new(language: L, kernel: Arc<Kernel>) -> (Self, Queue) {
        let (sender, queue) = mpsc::channel(LONGEST_QUEUE);
        let history = History::default();
        let worker = Self { language, kernel, history, execution_count: 1, queue, pending: VecDeque::new() };
        (worker, sender)
    }

    /// Starts the thread; the token tells of its end, also by a panic.
    pub fn start(mut self) -> io::Result<CancellationToken> {
        let finished = CancellationToken::new();
        let tell = finished.clone().drop_guard();
        let thread = thread::Builder::new().name("language".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || {
            let _tell = tell;
            while let Some(next) = self.next() {
                if self.serve(&next).is_err() {
                    break;
                }
            }
            // Finalizers are cells' code: they belong to what is waited for.
            drop(self);
        })?;
        Ok(finished)
    }

    /// The next request; `None` at the end of the kernel.
    fn next(&mut self) -> Option<Pending> {
        while self.pending.is_empty() && !self.kernel.has_ended() {
            let batch = self.queue.blocking_recv()?;
            self.take_in(batch);
        }
        if self.kernel.has_ended() { None } else { self.pending.pop_front() }
    }

    fn take_in(&mut self, batch: Vec<Request>) {
        self.pending
            .extend(batch.into_iter().map(|request| Pending { request: Arc::new(request), aborted: false }));
    }

    /// A cell of this client has failed: its requests to run more, as far as they have arrived, are given up.
    pub(super) fn abort_queued(&mut self, session: &str) {
        while let Ok(batch) = self.queue.try_recv() {
            self.take_in(batch);
        }
        for pending in self.pending.iter_mut().filter(|pending| pending.request.session == session) {
            pending.aborted = true;
        }
    }

    fn serve(&mut self, Pending { request, aborted }: &Pending) -> Result<(), Gone> {
        let kernel = Arc::clone(&self.kernel);
        if request.msg_type == "execute_request" {
            // Before clients read that it is busy, for then they may interrupt it.
            kernel.begin_cell();
        }
        kernel.busy(request);
        match request.msg_type.as_str() {
            "execute_request" if *aborted => kernel.reply(request, json!({ "status": "aborted" })),
            // A kernel that is gone says nothing more: its clients are told by who sees it end.
            "execute_request" => self.execute(request)?,
            _ => match self.answer(request) {
                Some(Ok(content)) => kernel.reply(request, content),
                Some(Err(failure)) => kernel.refuse(request, &failure),
                None => control::answer_any(&kernel, request),
            },
        }
        kernel.idle(request);
        if request.msg_type == "shutdown_request" {
            kernel.end();
        }
        Ok(())
    }

    /// The content of the reply to what only the language knows; `None` for all other requests.
    fn answer(&mut self, request: &Request) -> Option<Result<Value, Failure>> {
        Some(match request.msg_type.as_str() {
            "complete_request" => request.content().map(|asked| self.complete(&asked)),
            "inspect_request" => request.content().map(|asked| self.inspect(&asked)),
            "is_complete_request" => request.content().map(|asked| self.is_complete(&asked)),
            "history_request" => request.content().map(
                |asked: HistoryRequest| json!({ "status": "ok", "history": self.history.answer(&asked) }),
            ),
            _ => return None,
        })
    }

    fn complete(&mut self, asked: &Inspect) -> Value {
        let found = self.language.complete(&asked.code, asked.cursor_pos());
        json!({
            "status": "ok",
            "matches": found.matches,
            "cursor_start": found.cursor_start,
            "cursor_end": found.cursor_end,
            "metadata": {},
        })
    }

    fn inspect(&mut self, asked: &Inspect) -> Value {
        let found = self.language.inspect(&asked.code, asked.cursor_pos());
        let data = found.as_ref().map_or_else(|| json!({}), |text| json!({ "text/plain": text }));
        json!({ "status": "ok", "found": found.is_some(), "data": data, "metadata": {} })
    }

    fn is_complete(&mut self, asked: &IsComplete) -> Value {
        match self.language.is_complete(&asked.code) {
            Completeness::Complete => json!({ "status": "complete" }),
            Completeness::Incomplete { indent } => json!({ "status": "incomplete", "indent": indent }),
            Completeness::Invalid => json!({ "status": "invalid" }),
            Completeness::Unknown => json!({ "status": "unknown" }),
        }
    }
}
