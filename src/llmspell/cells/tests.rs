//! The prelude in a Lua of our own, in the place of llmspell.

use std::sync::Arc;

use mlua::{Lua, Table};
use parking_lot::Mutex;

use super::*;
use crate::kernel::{InputError, MimeBundle};

/// A Lua with the prelude.
struct Loaded(Lua);

/// What a cell printed.
#[derive(Default)]
struct Printed(Mutex<String>);

impl Host for Printed {
    fn stream(&self, _: Stdio, text: &str) {
        self.0.lock().push_str(text);
    }

    fn display(&self, _: MimeBundle) {}

    fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
        Err(InputError::NotAllowed)
    }
}

impl Loaded {
    fn new() -> Self {
        let lua = Lua::new();
        let answer: Table = lua.load(format!("local id = 1\n{PRELUDE}")).eval().unwrap();
        assert!(answer.get::<bool>("ready").unwrap());
        Self(lua)
    }

    fn answer(&self, code: &str) -> Answer {
        let answer: Table = self.0.load(code).eval().unwrap();
        Answer {
            id: answer.get("id").unwrap(),
            ready: false,
            out: answer.get::<Option<String>>("out").unwrap().unwrap_or_default(),
            value: answer.get("value").unwrap(),
            ename: answer.get("ename").unwrap(),
            error: answer.get("error").unwrap(),
            trace: answer.get("trace").unwrap(),
            names: answer.get::<Option<String>>("names").unwrap().unwrap_or_default(),
        }
    }

    /// Runs a cell; returns what it printed and how it ended.
    fn run(&self, code: &str) -> (String, Outcome) {
        let source = Syntax::default().source(code, "cell 3").unwrap();
        let answer = self.answer(&call_of(7, &source, "cell 3"));
        assert_eq!(answer.id, 7);
        let printed = Arc::new(Printed::default());
        let outcome = answer.outcome("cell 3", &*printed);
        let text = printed.0.lock().clone();
        (text, outcome)
    }
}

fn value(text: &str) -> Outcome {
    Outcome::Value(Some(text.to_owned()))
}

#[test]
fn what_a_cell_prints_is_collected_in_order() {
    let code = "print(1, nil) io.write('a', 2) print('\\xff') return 'value'";
    assert_eq!(Loaded::new().run(code), ("1\tnil\na2\u{fffd}\n".to_owned(), value("\"value\"")));
    let (text, _) = Loaded::new().run("for i = 1, 500 do print(i) end");
    assert_eq!(
        text.lines().map(|line| line.parse().unwrap()).collect::<Vec<u32>>(),
        (1..=500).collect::<Vec<_>>()
    );
}

#[test]
fn more_output_than_a_message_holds_is_dropped_and_told() {
    let (text, _) = Loaded::new().run("for i = 1, 20 do io.write(string.rep('x', 2^20)) end");
    assert!(text.ends_with("\n[4194304 bytes of output beyond 16777216 were dropped]\n"));
}

#[test]
fn values_are_shown() {
    let loaded = Loaded::new();
    for (code, shown) in [
        ("1 + 1", "2"),
        ("1, 'a'", "1\t\"a\""),
        ("{1, {2}, x = 'y\\n', [3.5] = false}", "{1, {2}, [3.5] = false, x = \"y\\n\"}"),
        ("setmetatable({}, {__tostring = function() return 'shown' end})", "shown"),
        ("(function() local t = {} t.own = t return t end)()", "{own = {...}}"),
    ] {
        assert_eq!(loaded.run(code).1, value(shown), "{code}");
    }
    for code in ["nil", "x = 1", "return"] {
        assert_eq!(loaded.run(code).1, Outcome::Value(None), "{code}");
    }
}

#[test]
fn errors_have_their_line() {
    let code = "print('before')\nlocal function f() error('boom') end\nf()";
    let (text, outcome) = Loaded::new().run(code);
    let Outcome::Error { ename, evalue, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((&*text, &*ename, &*evalue), ("before\n", "LuaError", "cell 3:2: boom"));
}

#[test]
fn a_stack_is_that_of_the_cell_alone() {
    let cell = "stack traceback:\n\t[C]: in function 'error'\n\tcell 3:2: in local 'f'\n\t[C]: in function 'xpcall'\n\t\
                cell 3:3: in main chunk";
    let below = "\n\t[C]: in function 'xpcall'\n\tengine.rs:1:1: in field 'run'\n\t[C]: in ?";
    let frames = |trace: &str| frames_of_cell(trace, "cell 3").join("|");
    let expected = "stack traceback:|[C]: in function 'error'|cell 3:2: in local 'f'|[C]: in function 'xpcall'|cell 3:3: in main chunk";
    assert_eq!(frames(&format!("{cell}{below}")), expected);
    let shown = "stack traceback:\n\tcell 3:1: in metamethod 'tostring'";
    assert_eq!(frames(&format!("{shown}{below}")), "stack traceback:|cell 3:1: in metamethod 'tostring'");
}

#[test]
fn anything_can_be_raised() {
    let loaded = Loaded::new();
    for (code, evalue) in [
        ("error({code = 7})", "{code = 7}"),
        ("error()", "nil"),
        ("return setmetatable({}, {__tostring = function() error('no', 0) end})", "no"),
    ] {
        let (_, Outcome::Error { evalue: found, .. }) = loaded.run(code) else { panic!("{code}") };
        assert_eq!(found, evalue, "{code}");
    }
}

#[test]
fn cells_may_change_every_global() {
    let loaded = Loaded::new();
    loaded
        .run("print, io, load, xpcall, error, tostring, type, next, string, table, math, debug, utf8 = nil");
    assert_eq!(loaded.run("1 + 1").1, value("2"));
}

#[test]
fn names_are_found_without_running_anything() {
    let loaded = Loaded::new();
    loaded.run(
        "t = setmetatable({one = 1, run = print}, {__index = {inherited = print}, __pairs = error}) s = 'x'",
    );
    let names = |path: &str, only_functions: bool| {
        let answer = loaded.answer(&format!("return __jupyter_fleet.names(1, {path}, {only_functions})"));
        let mut names: Vec<String> = answer.names.split_whitespace().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(names("{'t'}", false), ["inherited", "one", "run"]);
    assert_eq!(names("{'t'}", true), ["inherited", "run"]);
    assert!(names("{'s'}", true).contains(&"upper".to_owned()));
    assert!(names("{}", false).contains(&"t".to_owned()));
    assert_eq!(names("{'missing', 'x'}", false), [""; 0]);
}

#[test]
fn errors_of_llmspell_itself_are_told_in_its_words() {
    let text = "Error: Script execution failed: no\nstack traceback:\n\t[C]: in ?\n\t[string \"engine.rs:1:1\"]:1: in main chunk\n";
    let Outcome::Error { ename, evalue, traceback } = failed("Error", text) else { panic!("no error") };
    assert_eq!((&*ename, &*evalue), ("Error", "Script execution failed: no"));
    assert_eq!(traceback.len(), 4);
}
