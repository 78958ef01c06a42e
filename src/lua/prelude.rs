//! Gives the Lua state its notebook side: output, input and display instead of a terminal.

use std::sync::atomic::{AtomicBool, Ordering};

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaString, Table, Value};

use super::display;
use super::output::Output;
use super::{interrupt::raise, traceback};
use crate::kernel::{InputError, InterruptHandle, Stdio};

/// Ctrl-D, as consoles send it: the end of the input.
const END_OF_INPUT: &str = "\u{4}";

/// Installs the globals of `prelude.lua` over the functions below. Returns what to call before each cell.
///
/// The split: Lua for what Lua code sees, so that errors are plain Lua errors with the right position; Rust for what
/// leaves the state.
pub(super) fn install(lua: &Lua, output: &Output, interrupt: &InterruptHandle) -> mlua::Result<Function> {
    let kernel = lua.create_table()?;
    install_output(lua, &kernel, output)?;
    install_input(lua, &kernel, output, interrupt)?;
    install_warnings(lua, output);
    install_interrupt(lua, &kernel, output, interrupt)?;
    kernel.raw_set("position", lua.create_function(|lua, ()| Ok(traceback::position(lua)))?)?;
    kernel.raw_set("frames", lua.create_function(|lua, ()| Ok(traceback::frames(lua, 1).join("\n\t")))?)?;

    // Without debug information, the prelude cannot show up as a position in the errors of the person's code.
    let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude").into_function()?.dump(true);
    lua.load(prelude).set_name("=?").set_mode(ChunkMode::Binary).call(kernel)
}

fn install_output(lua: &Lua, kernel: &Table, output: &Output) -> mlua::Result<()> {
    for stdio in [Stdio::Stdout, Stdio::Stderr] {
        let output = output.clone();
        let write = lua.create_function(move |_, text: LuaString| {
            output.write(stdio, &text.as_bytes());
            Ok(())
        })?;
        kernel.raw_set(stdio.name(), write)?;
    }
    let flushed = output.clone();
    let flush = lua.create_function(move |_, ()| {
        flushed.flush();
        Ok(())
    })?;
    kernel.raw_set("flush", flush)?;
    let output = output.clone();
    let display = lua.create_function(move |lua, value: Value| match display::bundle(lua, &value) {
        Ok(bundle) => {
            if let Some(host) = output.flushed_host() {
                host.display(bundle);
            }
            Ok(None)
        }
        Err(problem) => Ok(Some(problem.to_string())),
    })?;
    kernel.raw_set("display", display)
}

fn install_interrupt(
    lua: &Lua,
    kernel: &Table,
    output: &Output,
    interrupt: &InterruptHandle,
) -> mlua::Result<()> {
    let asked = interrupt.clone();
    kernel.raw_set("interrupted", lua.create_function(move |_, ()| Ok(asked.is_interrupted()))?)?;
    let (output, interrupt) = (output.clone(), interrupt.clone());
    let stop = lua.create_function(move |lua, ()| match interrupt.is_interrupted() {
        true => Err(raise(&interrupt, lua, &output)),
        false => Ok(()),
    })?;
    kernel.raw_set("stop_if_interrupted", stop)
}

/// Warnings go to standard error, those of failing finalizers too. `warn("@off")` and `warn("@on")` as in plain Lua.
fn install_warnings(lua: &Lua, output: &Output) {
    let output = output.clone();
    let (shown, continued) = (AtomicBool::new(true), AtomicBool::new(false));
    lua.set_warning_function(move |_, text, to_be_continued| {
        let first = !continued.swap(to_be_continued, Ordering::Relaxed);
        match text {
            "@on" | "@off" if first && !to_be_continued => shown.store(text == "@on", Ordering::Relaxed),
            text if shown.load(Ordering::Relaxed) => {
                let (start, end) =
                    (if first { "Lua warning: " } else { "" }, if to_be_continued { "" } else { "\n" });
                output.write(Stdio::Stderr, format!("{start}{text}{end}").as_bytes());
            }
            _ => {}
        }
        Ok(())
    });
}

/// `read_line(prompt, password)` returns a line; nothing at the end of the input; nil and a message when there is nobody to ask.
fn install_input(
    lua: &Lua,
    kernel: &Table,
    output: &Output,
    interrupt: &InterruptHandle,
) -> mlua::Result<()> {
    let (output, interrupt) = (output.clone(), interrupt.clone());
    let read_line = lua.create_function(move |lua, (prompt, password): (LuaString, bool)| {
        let answer = match output.flushed_host() {
            Some(host) => host.input(&prompt.to_string_lossy(), password),
            None => Err(InputError::Failed("no cell is running".to_owned())),
        };
        match answer {
            Ok(line) if line == END_OF_INPUT => Ok((None, None)),
            Ok(line) => Ok((Some(line), None)),
            Err(InputError::Interrupted) => Err(raise(&interrupt, lua, &output)),
            Err(problem) => Ok((None, Some(problem.to_string()))),
        }
    })?;
    kernel.raw_set("read_line", read_line)
}
