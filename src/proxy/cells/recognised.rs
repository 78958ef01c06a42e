//! Cells: most go to their client's kernel as they are. What is meant for the fleet, by a first line `%fleet` or
//! `%%fleet` or by the cell's own metadata, is found out here.

use std::{sync::Arc, time::Instant};

use crate::{
    id::ClientId,
    jupyter::{
        content::{Code, may_hold_magic, with_code},
        header::peek_fleet,
        message::Verified,
        reply::Failure,
    },
    magic::{Command, Magic, MagicError, recognise},
    net::Flushes,
    proxy::{
        Proxy,
        frontend::{
            connection::ReturnAddress,
            gate::{Gate, Held},
        },
    },
    route::{RequestKind, Requirements, RequirementsError},
};

/// Lines of `%fleet` that a cell may begin with: each has the whole cell read anew.
const MOST_LINES: usize = 16;

/// A cell, and what it wants of the fleet.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) held: Held,
    pub(crate) target: CellTarget,
}

/// What a cell wants of the fleet.
#[derive(Debug)]
pub(crate) enum CellTarget {
    /// Nothing: it goes to its client's kernel.
    Own,
    /// Another kernel, for once.
    Elsewhere(Requirements),
    /// Something that the proxy does. `rest`: there is more in the cell, which then goes to the client's kernel.
    Command { command: Command, rest: bool },
    /// It cannot be understood.
    Wrong(Failure),
}

impl Cell {
    /// Whether it goes to its client's kernel and nowhere else.
    pub(crate) fn stays_at_home(&self) -> bool {
        matches!(self.target, CellTarget::Own)
    }

    /// Whether it only asks for what can be told at any time.
    fn only_asks(&self) -> bool {
        matches!(&self.target, CellTarget::Command { command, rest: false } if command.only_asks())
    }

    /// Whether it interrupts, which is of no use behind what it interrupts.
    fn interrupts(&self) -> bool {
        matches!(&self.target, CellTarget::Command { command: Command::Interrupt, rest: false })
    }

    pub(crate) fn size(&self) -> usize {
        self.held.message.body().size()
    }

    pub(crate) fn address(&self) -> ReturnAddress {
        self.held.address()
    }
}

impl Held {
    /// Where its reply goes.
    pub(crate) fn address(&self) -> ReturnAddress {
        ReturnAddress {
            entry: self.entry,
            stops_on_error: self.stops_on_error,
            ..ReturnAddress::of_message(self.connection.clone(), &self.message)
        }
    }
}

impl Proxy {
    /// Sends a cell on, or does what it wants, when it is its turn.
    pub(crate) fn route_cell(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Gate),
        held: Held,
        flushes: &mut Flushes,
    ) {
        let cell = self.understand(client, held);
        let at_once = cell.interrupts() || (cell.only_asks() && !self.cell_order.keep_waiting(client));
        let cell = if at_once { Some(cell) } else { self.put_in_order(client, cell) };
        if let Some(cell) = cell {
            self.run_cell((client, gate), cell, flushes);
        }
    }

    /// Routes a cell that has waited for its turn; its client may have left meanwhile.
    pub(crate) fn run_later(self: &Arc<Self>, client: &ClientId, cell: Cell) {
        let gate = self.gates.get(client).map(|gate| gate.clone());
        let gate = gate.unwrap_or_else(|| Arc::new(Gate::open(cell.held.connection.identity.clone())));
        let mut flushes = Flushes::default();
        self.run_cell((client, &gate), cell, &mut flushes);
        self.journal.write();
        flushes.flush();
    }

    fn run_cell(self: &Arc<Self>, (client, gate): (&ClientId, &Gate), mut cell: Cell, flushes: &mut Flushes) {
        for line in 1.. {
            let Cell { held, target } = cell;
            match target {
                CellTarget::Own => return self.pass((client, gate), held, None, flushes),
                CellTarget::Elsewhere(wishes) => {
                    return self.pass((client, gate), held, Some(wishes), flushes);
                }
                CellTarget::Wrong(failure) => return self.refuse_cell(client, &held.address(), &failure),
                CellTarget::Command { .. } if line > MOST_LINES => {
                    let text = format!("a cell may begin with {MOST_LINES} lines of %fleet");
                    let failure = Failure::new("FleetMagicError", text);
                    return self.refuse_cell(client, &held.address(), &failure);
                }
                CellTarget::Command { command, rest } => {
                    if !self.command((client, gate), &held, command, rest) || !rest {
                        return;
                    }
                    // What is left may begin with another one.
                    cell = self.understand(client, held);
                }
            }
        }
    }

    /// What a cell wants of the fleet. What is meant for the fleet is taken out of it.
    fn understand(&self, client: &ClientId, mut held: Held) -> Cell {
        let target = match magic_of(&held.message) {
            None => self.wishes_of_metadata(client, &held),
            Some(Magic::Cell { wishes, code }) => {
                held.message = rewritten(held.message, &code);
                wishes.map_or_else(|error| CellTarget::wrong(&error), CellTarget::Elsewhere)
            }
            Some(Magic::Line { command, rest }) => {
                let has_rest = rest.is_some();
                if let Some(rest) = rest {
                    held.message = rewritten(held.message, &rest);
                }
                let command = command.map(|command| CellTarget::Command { command, rest: has_rest });
                command.unwrap_or_else(|error| CellTarget::wrong(&error))
            }
        };
        Cell { held, target }
    }

    /// A cell's own metadata sends it elsewhere, unless it comes with all that its client says, or its client's kernel is
    /// what it asks for. That of a client without a kernel decides which it gets.
    fn wishes_of_metadata(&self, client: &ClientId, held: &Held) -> CellTarget {
        let text = match peek_fleet(&held.message) {
            Ok(Some(text)) => text,
            Ok(None) => return CellTarget::Own,
            Err(error) => return CellTarget::misunderstood(&RequirementsError::unreadable(&error)),
        };
        let table = self.table.lock();
        let own = table.kernel_of(client);
        if own.is_none() || table.is_standing(client, &text) {
            return CellTarget::Own;
        }
        let wishes = match Requirements::parse(&text) {
            Ok(wishes) => wishes,
            Err(error) => return CellTarget::misunderstood(&error),
        };
        let request = held.connection.request(client, RequestKind::Other);
        let meant = table.beside(&request, wishes.clone());
        if table.at_hand(client, &meant, Instant::now()).as_ref() == own {
            return CellTarget::Own;
        }
        CellTarget::Elsewhere(wishes)
    }
}

impl CellTarget {
    fn wrong(error: &MagicError) -> Self {
        Self::Wrong(Failure::new("FleetMagicError", error.to_string()))
    }

    fn misunderstood(error: &RequirementsError) -> Self {
        Self::Wrong(Failure::new("NoMatchingKernel", error.to_string()))
    }
}

/// What a message's code wants of the fleet by its first line.
pub(crate) fn magic_of(message: &Verified) -> Option<Magic> {
    let content = message.body().content();
    if !may_hold_magic(content) {
        return None;
    }
    recognise(&Code::peek(content)?.code)
}

/// The same message with other code.
pub(crate) fn rewritten(message: Verified, code: &str) -> Verified {
    match with_code(message.body().content(), code) {
        Some(content) => message.with_content(content),
        None => message,
    }
}
