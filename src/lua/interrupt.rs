//! Stopping a cell from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mlua::{HookTriggers, Lua, VmState};

use super::output::Output;

/// How many Lua instructions run between two looks at the flag: far less than a millisecond of Lua.
const INSTRUCTIONS_BETWEEN_LOOKS: u32 = 1_000;

/// Interrupts the cell that an [`Interpreter`](super::Interpreter) is running. Clones are equal; any thread may hold one.
///
/// An interrupt while no cell runs is forgotten when the next one starts. A call into C (say, one long
/// `string.rep`) finishes first.
#[derive(Debug, Clone, Default)]
pub struct InterruptHandle(Arc<AtomicBool>);

impl InterruptHandle {
    /// Asks the running cell to stop.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the current cell has been asked to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Begins a cell: forgets an earlier interrupt, and watches the running code from here on.
    pub(super) fn begin_cell(&self, lua: &Lua, output: &Output) -> mlua::Result<()> {
        self.0.store(false, Ordering::Release);
        self.watch(lua, output, INSTRUCTIONS_BETWEEN_LOOKS)
    }

    /// Interrupts from within the running code. The returned error only starts the unwinding: code may catch it,
    /// so from now on every single instruction raises it again, and no `pcall` in a loop gets away.
    pub(super) fn raise(&self, lua: &Lua, output: &Output) -> mlua::Error {
        self.interrupt();
        match self.watch(lua, output, 1) {
            Ok(()) => mlua::Error::external(Interrupted),
            Err(error) => error,
        }
    }

    fn watch(&self, lua: &Lua, output: &Output, instructions: u32) -> mlua::Result<()> {
        let interrupt = self.clone();
        let output = output.clone();
        // A hook is the only way in: Lua is locked by the running code. Coroutines inherit it.
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(instructions), move |lua, _| {
            if interrupt.is_interrupted() {
                return Err(interrupt.raise(lua, &output));
            }
            output.flush_if_stale();
            Ok(VmState::Continue)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;
