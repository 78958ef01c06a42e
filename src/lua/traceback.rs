//! Which functions are running, as lines for a person. The kernel's own functions are left out.

use mlua::Lua;
use mlua::debug::{Debug, DebugNames};

/// A deeper stack is cut: nobody reads a runaway recursion to its end.
const MAX_FRAMES: usize = 30;

/// The source of the prelude's functions: it is loaded without debug information.
const PRELUDE_SOURCE: &str = "=?";

/// The running functions from `level` outwards, up to the cell. Level 0 is the function that asks.
pub(super) fn frames(lua: &Lua, level: usize) -> Vec<String> {
    let mut lines = Vec::new();
    // A C function called by the kernel's own code is the kernel's as well.
    let mut pending: Option<String> = None;
    for level in level.. {
        let frame = lua.inspect_stack(level, describe);
        let c_function = pending.take();
        if !matches!(frame, Some(Frame::Kernel)) {
            lines.extend(c_function);
        }
        match frame {
            _ if lines.len() >= MAX_FRAMES => {
                lines.push("...".to_owned());
                break;
            }
            None => break,
            Some(Frame::Kernel) => {}
            Some(Frame::C(line)) => pending = Some(line),
            Some(Frame::Function(line)) => lines.push(line),
            Some(Frame::Cell(line)) => {
                lines.push(line);
                break;
            }
        }
    }
    lines
}

/// Where the innermost function outside of the kernel stands, as Lua's own `error` puts it: `cell 3:1: `.
/// Empty when that is unknown.
pub(super) fn position(lua: &Lua) -> String {
    (1..MAX_FRAMES)
        .map_while(|level| lua.inspect_stack(level, position_of))
        .flatten()
        .next()
        .unwrap_or_default()
}

enum Frame {
    Kernel,
    C(String),
    Function(String),
    Cell(String),
}

fn describe(debug: &Debug) -> Frame {
    let source = debug.source();
    if source.source.as_deref() == Some(PRELUDE_SOURCE) {
        return Frame::Kernel;
    }
    let short_source = source.short_src.as_deref().unwrap_or("?");
    let place = match debug.current_line() {
        Some(line) => format!("{short_source}:{line}"),
        None => short_source.to_owned(),
    };
    let is_cell = source.source.as_deref().is_some_and(|source| source.starts_with("=cell "));
    if source.what == "main" {
        let line = format!("{place}: in main chunk");
        return if is_cell { Frame::Cell(line) } else { Frame::Function(line) };
    }
    let function = match debug.names() {
        DebugNames { name: Some(name), name_what: Some("global") | None } => format!("function '{name}'"),
        DebugNames { name: Some(name), name_what: Some(what) } => format!("{what} '{name}'"),
        DebugNames { name: None, .. } => match source.line_defined {
            Some(line) => format!("function <{short_source}:{line}>"),
            None => "a function".to_owned(),
        },
    };
    let line = format!("{place}: in {function}");
    if source.what == "C" { Frame::C(line) } else { Frame::Function(line) }
}

fn position_of(debug: &Debug) -> Option<String> {
    let source = debug.source();
    if source.source.as_deref() == Some(PRELUDE_SOURCE) {
        return None;
    }
    let line = debug.current_line()?;
    Some(format!("{}:{line}: ", source.short_src?))
}
