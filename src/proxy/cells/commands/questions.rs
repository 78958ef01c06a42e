//! Questions about code that is meant for the fleet: how it goes on, what it means, whether it is complete.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use serde_json::{Value, json};

use super::super::recognised::{magic_of, rewritten};
use crate::{
    id::ClientId,
    jupyter::{content::Code, reply::reply_type},
    magic::{Completions, Magic, Vocabulary, complete, help},
    net::Flushes,
    proxy::{
        Proxy,
        frontend::gate::{Gate, Held},
    },
    route::{RequestKind, Requirements},
};

impl Proxy {
    /// Answers what concerns a `%fleet` line, and sends on what concerns the rest of the cell, to where it would run.
    pub(crate) fn route_question(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Gate),
        mut held: Held,
        flushes: &mut Flushes,
    ) {
        let Some(magic) = magic_of(&held.message) else {
            return self.pass((client, gate), held, None, flushes);
        };
        if let Some(content) = self.own_answer(&held, &magic) {
            let address = held.address();
            let reply = reply_type(&held.heading.msg_type);
            let reply = self.builder.say_raw(&reply, content, &address.header);
            return self.tell_own(client, &address, reply);
        }
        match magic {
            Magic::Line { rest: Some(rest), .. } => {
                held.message = rewritten(held.message, &rest);
                self.pass((client, gate), held, None, flushes);
            }
            Magic::Cell { wishes: Ok(wishes), code } => {
                held.message = rewritten(held.message, &code);
                self.ask_elsewhere((client, gate), held, wishes, flushes);
            }
            Magic::Line { rest: None, .. } | Magic::Cell { wishes: Err(_), .. } => {
                self.answer_nothing(client, &held);
            }
        }
    }

    /// Asks the kernel where the cell would run. For a question alone none is launched.
    fn ask_elsewhere(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Gate),
        held: Held,
        wishes: Requirements,
        flushes: &mut Flushes,
    ) {
        let known = {
            let table = self.table.lock();
            let meant = table.beside(&held.connection.request(client, RequestKind::Other), wishes);
            table.at_hand(client, &meant, Instant::now())
        };
        match known {
            Some(kernel) => {
                self.pass((client, gate), held, Some(Requirements::of_kernel(kernel)), flushes);
            }
            None => self.answer_nothing(client, &held),
        }
    }

    /// What is asked about a `%fleet` line itself: the content of the reply.
    fn own_answer(&self, held: &Held, magic: &Magic) -> Option<Value> {
        let code = Code::peek(held.message.body().content())?;
        let cursor = code.cursor_pos.unwrap_or_else(|| code.code.chars().count());
        let content = match &*held.heading.msg_type {
            "complete_request" => completed(complete(&code.code, cursor, &self.vocabulary(held))?),
            "inspect_request" => {
                complete(&code.code, cursor, &Vocabulary::default())?;
                let page = help().show();
                let data = json!({ "text/plain": page.plain, "text/html": page.html });
                json!({ "status": "ok", "found": true, "data": data, "metadata": {} })
            }
            _ => whether_complete(&code.code, magic)?,
        };
        Some(content)
    }

    /// Nothing can be said of it.
    fn answer_nothing(self: &Arc<Self>, client: &ClientId, held: &Held) {
        let address = held.address();
        let cursor = Code::peek(held.message.body().content()).and_then(|code| code.cursor_pos);
        let content = match &*held.heading.msg_type {
            "complete_request" => {
                let cursor = cursor.unwrap_or_default();
                completed(Completions { matches: Vec::new(), start: cursor, end: cursor })
            }
            "inspect_request" => json!({ "status": "ok", "found": false, "data": {}, "metadata": {} }),
            _ => json!({ "status": "unknown" }),
        };
        let reply = self.builder.say_raw(&reply_type(&held.heading.msg_type), content, &address.header);
        self.tell_own(client, &address, reply);
    }

    /// The names that the fleet knows now; those of one kernel where the client's connection file leads nowhere else.
    fn vocabulary(&self, held: &Held) -> Vocabulary {
        let leads_to = held.connection.endpoint.defaults.kernel.as_ref();
        let kernels = self.occupancy().into_iter();
        let kernels: Vec<_> =
            kernels.filter(|kernel| leads_to.is_none_or(|only| kernel.kernel == *only)).collect();
        let sorted = |names: &mut dyn Iterator<Item = String>| {
            names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let runtimes = &self.runtimes;
        let mut languages =
            runtimes.iter().map(|runtime| runtime.language.clone()).filter(|name| !name.is_empty());
        Vocabulary {
            runtimes: runtimes.iter().map(|runtime| runtime.name.to_string()).collect(),
            languages: sorted(&mut languages),
            groups: sorted(&mut kernels.iter().filter_map(|kernel| kernel.group.clone())),
            providers: sorted(&mut runtimes.iter().flat_map(|runtime| runtime.providers.iter().cloned())),
            labels: sorted(&mut runtimes.iter().flat_map(|runtime| runtime.labels.iter().cloned())),
            kernels: kernels.iter().map(|kernel| kernel.kernel.to_string()).collect(),
        }
    }
}

fn completed(completions: Completions) -> Value {
    json!({
        "status": "ok",
        "matches": completions.matches,
        "cursor_start": completions.start,
        "cursor_end": completions.end,
        "metadata": {},
    })
}

/// A line is complete by itself; what follows it is for the kernel to judge. A cell for elsewhere is complete, as cell
/// magics are in IPython, with an empty line.
fn whether_complete(code: &str, magic: &Magic) -> Option<Value> {
    match magic {
        Magic::Line { rest: Some(_), .. } => None,
        Magic::Line { rest: None, .. } | Magic::Cell { wishes: Err(_), .. } => {
            Some(json!({ "status": "complete" }))
        }
        Magic::Cell { code: rest, .. } => {
            let is_complete = !rest.trim().is_empty() && code.ends_with('\n');
            let incomplete = json!({ "status": "incomplete", "indent": "" });
            Some(if is_complete { json!({ "status": "complete" }) } else { incomplete })
        }
    }
}
