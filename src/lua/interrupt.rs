//! Stopping running Lua code.

use mlua::{HookTriggers, Lua, VmState};

use super::output::Output;
use crate::kernel::InterruptHandle;

/// How many Lua instructions run between two looks at the flag: far less than a millisecond of Lua.
const INSTRUCTIONS_BETWEEN_LOOKS: u32 = 1_000;

/// Begins a cell: forgets an earlier interrupt, and watches the running code from here on. A call into C (say, one long
/// `string.rep`) finishes first.
pub(super) fn begin_cell(interrupt: &InterruptHandle, lua: &Lua, output: &Output) -> mlua::Result<()> {
    interrupt.begin_cell();
    watch(interrupt, lua, output, INSTRUCTIONS_BETWEEN_LOOKS)
}

/// Interrupts from within the running code. The returned error only starts the unwinding: code may catch it,
/// so from now on every single instruction raises it again, and no `pcall` in a loop gets away.
pub(super) fn raise(interrupt: &InterruptHandle, lua: &Lua, output: &Output) -> mlua::Error {
    interrupt.interrupt();
    match watch(interrupt, lua, output, 1) {
        Ok(()) => mlua::Error::external(Interrupted),
        Err(error) => error,
    }
}

fn watch(interrupt: &InterruptHandle, lua: &Lua, output: &Output, instructions: u32) -> mlua::Result<()> {
    let interrupt = interrupt.clone();
    let output = output.clone();
    // A hook is the only way in: Lua is locked by the running code. Coroutines inherit it.
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(instructions), move |lua, _| {
        if interrupt.is_interrupted() {
            return Err(raise(&interrupt, lua, &output));
        }
        output.flush_if_stale();
        Ok(VmState::Continue)
    })
}

#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;
