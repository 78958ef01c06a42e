//! The Lua state, and running cells in it.

use std::sync::Arc;

use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Value};
use parking_lot::Mutex;

use super::chunk::{self, Cell};
use super::complete;
use super::failure::Failure;
use super::inspect;
use super::interrupt;
use super::is_complete;
use super::library::Library;
use super::output::Output;
use super::pretty::{self, Metamethods};
use super::{prelude, traceback};
use crate::kernel::{Completeness, Completion, Host, InterruptHandle, Outcome};

/// One Lua 5.4 state and what a cell leaves in it: globals stay, locals end with their cell.
///
/// It blocks, so it belongs on an OS thread of its own; only its [`InterruptHandle`] is used from elsewhere.
pub struct Interpreter {
    lua: Lua,
    xpcall: Function,
    begin_cell: Function,
    interrupt: InterruptHandle,
    output: Output,
    library: Library,
}

/// The interpreter could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the Lua interpreter could not be set up: {0}")]
pub struct StartError(#[from] mlua::Error);

impl Interpreter {
    /// A fresh state with the standard library. Without `debug`, except for `debug.traceback`, and without C modules:
    /// both can crash the process.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new() -> Result<Self, StartError> {
        let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::default())?;
        let xpcall = lua.globals().raw_get("xpcall")?;
        let interrupt = InterruptHandle::default();
        let output = Output::default();
        let begin_cell = prelude::install(&lua, &output, &interrupt)?;
        let library = Library::of(&lua)?;
        Ok(Self { lua, xpcall, begin_cell, interrupt, output, library })
    }

    /// Stops cells of this interpreter, from any thread.
    #[must_use]
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.interrupt.clone()
    }

    /// Runs a cell to its end. Errors call it `cell N`, with `execution_count` as N.
    ///
    /// `host` gets what it prints; all of it before this returns.
    pub fn execute(&mut self, code: &str, execution_count: u32, host: Arc<dyn Host>) -> Outcome {
        self.output.begin_cell(host);
        let result = self.run(code, &format!("cell {execution_count}"));
        self.output.end_cell();
        match result {
            Ok(value) => Outcome::Value(value),
            Err(_) if self.interrupt.is_interrupted() => Outcome::Interrupted,
            Err(failure) => failure.into(),
        }
    }

    /// What could stand at the cursor. `cursor_pos` counts unicode code points (messaging spec, "Completion").
    /// Runs no Lua code.
    #[must_use]
    pub fn complete(&self, code: &str, cursor_pos: usize) -> Completion {
        self.undisturbed(|lua| complete::complete(lua, code, cursor_pos))
    }

    /// What is known about the name at the cursor, as text. `cursor_pos` counts unicode code points. Runs no Lua code.
    #[must_use]
    pub fn inspect(&self, code: &str, cursor_pos: usize) -> Option<String> {
        self.undisturbed(|lua| inspect::inspect(lua, &self.library, code, cursor_pos))
    }

    /// Whether this code can run as it is.
    #[must_use]
    pub fn is_complete(&self, code: &str) -> Completeness {
        self.undisturbed(|lua| is_complete::is_complete(lua, code))
    }

    fn run(&self, code: &str, name: &str) -> Result<Option<String>, Failure> {
        interrupt::begin_cell(&self.interrupt, &self.lua, &self.output)?;
        self.begin_cell.call::<()>(())?;
        let cell = chunk::compile(&self.lua, code, name)?;
        let values = self.call(cell)?;
        if values.iter().all(Value::is_nil) && values.len() < 2 {
            return Ok(None);
        }
        let texts: Result<Vec<String>, mlua::Error> =
            values.iter().map(|value| pretty::render(&self.lua, value, Metamethods::Run)).collect();
        Ok(Some(texts?.join("\t")))
    }

    /// Calls with a handler that looks at the stack at the moment of the error, before it is unwound.
    fn call(&self, cell: Cell) -> Result<MultiValue, Failure> {
        let frames = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&frames);
        let handler = self.lua.create_function(move |lua, problem: Value| {
            *seen.lock() = traceback::frames(lua, 1);
            Ok(problem)
        })?;
        let (succeeded, mut results) = cell.call(&self.xpcall, handler)?;
        if succeeded {
            return Ok(results);
        }
        let problem = results.pop_front().unwrap_or(Value::Nil);
        let frames = std::mem::take(&mut *frames.lock());
        Err(Failure::raised(&self.lua, &problem, frames))
    }

    /// Looks at the state without running finalizers.
    fn undisturbed<T>(&self, look: impl FnOnce(&Lua) -> T) -> T {
        let running = self.lua.gc_is_running();
        self.lua.gc_stop();
        let seen = look(&self.lua);
        if running {
            self.lua.gc_restart();
        }
        seen
    }
}

#[cfg(test)]
mod tests;
