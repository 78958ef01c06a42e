//! `%fleet` in a cell, carried out: what it shows, and what it changes for its client.

mod pages;
mod questions;

use std::{sync::Arc, time::Instant};

use jupyter_protocol::ExecutionState;
use serde_json::json;
use tracing::info;

use crate::{
    id::{ClientId, KernelId},
    jupyter::{content::Code, reply::Failure},
    magic::{Command, Page, help},
    proxy::{
        Proxy,
        backend::restart::RestartAsked,
        frontend::gate::{Gate, Held},
    },
    route::{Decision, Moved, Refusal, RequestKind, Requirements},
};

impl Proxy {
    /// Does what a cell asks of the fleet, and shows what comes of it. `false`: it failed, and so has the cell. If there
    /// is more in the cell, its kernel tells how it ended.
    pub(crate) fn command(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Gate),
        held: &Held,
        command: Command,
        has_rest: bool,
    ) -> bool {
        let address = held.address();
        gate.remember("execute_request", &address.header);
        self.send_to_client(client, [self.builder.status(ExecutionState::Busy, &address.header)]);
        let done = match command {
            Command::Help => Ok(help()),
            Command::Status => Ok(self.status_page(client, held)),
            Command::List => Ok(self.list_page(client, held)),
            Command::Runtimes => Ok(self.runtimes_page()),
            Command::Why(wishes) => Ok(self.why_page(client, held, wishes)),
            Command::Use(wishes) => self.move_to(client, held, wishes, false),
            Command::New(wishes) => self.move_to(client, held, wishes, true),
            Command::Restart => self.restart_for(client, held),
            Command::Interrupt => Ok(self.interrupt_for(client, held)),
        };
        match done {
            Ok(page) => {
                self.show(client, held, &page, has_rest);
                true
            }
            Err(failure) => {
                self.fail_cell(client, &address, &failure);
                false
            }
        }
    }

    /// Shows a page under a cell, and ends the cell if there is nothing more in it.
    fn show(self: &Arc<Self>, client: &ClientId, held: &Held, page: &Page, has_rest: bool) {
        let address = held.address();
        let parent = &address.header;
        let shown = page.show();
        let content = json!({
            "data": { "text/plain": shown.plain, "text/html": shown.html },
            "metadata": {},
            "transient": {},
        });
        let display = self.builder.say_raw("display_data", content, parent);
        if has_rest {
            return self.send_to_client(client, [display]);
        }
        let own = self.table.lock().kernel_of(client).cloned();
        // The kernel has not counted this cell: consoles count on from its last. JupyterLab takes 0 for no count, and shows
        // such a cell as running for ever.
        let count = own.and_then(|id| self.kernel(&id)).map_or(1, |kernel| kernel.count().max(1));
        let done = json!({ "status": "ok", "execution_count": count, "user_expressions": {}, "payload": [] });
        let code = Code::peek(held.message.body().content()).map(|code| code.code.into_owned());
        let input = json!({ "code": code.unwrap_or_default(), "execution_count": count });
        let input = self.builder.say_raw("execute_input", input, parent);
        self.send_to_client(client, [input, display]);
        self.reply(client, &address, self.builder.say_raw("execute_reply", done, parent));
        self.send_idle(client, parent);
    }

    fn move_to(
        self: &Arc<Self>,
        client: &ClientId,
        held: &Held,
        wishes: Requirements,
        to_a_new_one: bool,
    ) -> Result<Page, Failure> {
        let request = held.connection.request(client, RequestKind::Other);
        let moved = self
            .with_table(|table, now| {
                let moved = table.move_client(&request, wishes, to_a_new_one, KernelId::random, now)?;
                if let Moved::To(kernel, launch) = &moved {
                    self.note_binding(table, &held.connection, client);
                    if let Some(launch) = launch {
                        self.launch(kernel, launch, Some(&held.connection.endpoint));
                    }
                }
                Ok(moved)
            })
            .map_err(|refusal: Refusal| Failure::new("NoMatchingKernel", refusal.to_string()))?;
        let first = match &moved {
            Moved::Stays(kernel) => format!("You are on kernel {} already.", self.name_of(kernel)),
            Moved::To(kernel, Some(_)) => {
                format!("You are on kernel {} now, which is new.", self.name_of(kernel))
            }
            Moved::To(kernel, None) => format!("You are on kernel {} now.", self.name_of(kernel)),
        };
        info!(session = %client.session, ?moved, "moved by its own wish");
        Ok(self.sharing(Page::new().line(first), client))
    }

    fn restart_for(self: &Arc<Self>, client: &ClientId, held: &Held) -> Result<Page, Failure> {
        let request = held.connection.request(client, RequestKind::Shutdown { restart: true });
        let decision =
            self.with_table(|table, now| table.decide(&request, || Ok(None), KernelId::random, now));
        match decision {
            Decision::Restart(id) => {
                let who = self.who_asked(&held.address()).to_string();
                let restarts = self.restart_kernel(&id, &who, RestartAsked::InCell(client));
                let name = self.name_of(&id);
                Ok(Page::new().line(if restarts {
                    format!("Kernel {name} is restarted: its variables are gone, for all who share it.")
                } else {
                    format!("Kernel {name} is starting anyway.")
                }))
            }
            Decision::RestartRefused(id, others) => {
                Err(crate::proxy::frontend::local_replies::restart_refused(&id, others))
            }
            _ => Ok(Page::new().line("You have no kernel yet: there is nothing to restart.")),
        }
    }

    /// Whosever cell runs, also where the client's own wait behind it.
    fn interrupt_for(self: &Arc<Self>, client: &ClientId, held: &Held) -> Page {
        let request = held.connection.request(client, RequestKind::Interrupt);
        let decision =
            self.with_table(|table, now| table.decide(&request, || Ok(None), KernelId::random, now));
        let Decision::Interrupt(id) = decision else {
            return Page::new().line("You have no kernel yet: there is nothing to interrupt.");
        };
        self.tell_interrupted(&id, client, &self.who_asked(&held.address()));
        let name = self.name_of(&id);
        Page::new().line(match self.interrupt(&id) {
            Ok(()) => format!("Kernel {name} is interrupted."),
            Err(error) => format!("Kernel {name} was not interrupted: {error}."),
        })
    }

    /// The kernel and its runtime.
    fn name_of(&self, id: &KernelId) -> String {
        self.kernel(id).map_or_else(|| id.to_string(), |kernel| format!("{id} ({})", kernel.runtime.name))
    }

    /// With how many the client shares its kernel.
    fn sharing(&self, page: Page, client: &ClientId) -> Page {
        let table = self.table.lock();
        let Some(kernel) = table.kernel_of(client) else { return page };
        let others = table.others(kernel, client, Instant::now());
        let shared = match others {
            0 => "Nobody else uses it at the moment.".to_owned(),
            1 => "You share it with 1 other client.".to_owned(),
            others => format!("You share it with {others} other clients."),
        };
        page.line(shared)
    }
}
