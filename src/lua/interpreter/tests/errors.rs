use super::*;

fn traceback(session: &mut Session, code: &str) -> Vec<String> {
    match session.run(code) {
        Outcome::Error { traceback, .. } => traceback,
        other => panic!("{code}: {other:?}"),
    }
}

#[test]
fn messages_name_the_cell_and_the_line() {
    let mut session = Session::new();
    assert_eq!(session.error("x = 1\nerror('boom')"), "cell 1:2: boom");
    assert_eq!(session.error("local t\n\nt.x = 1"), "cell 2:3: attempt to index a nil value (local 't')");
    assert_eq!(session.error("1 + {}"), "cell 3:1: attempt to perform arithmetic on a table value");
    session.value("function f()\n  error('later')\nend");
    assert_eq!(session.error("f()"), "cell 4:2: later");
    let problem = "bad argument #1 to 'rep' (string expected, got no value)";
    assert_eq!(session.error("x = string.rep()"), format!("cell 6:1: {problem}"));
}

#[test]
fn syntax_errors_are_told_apart() {
    let mut session = Session::new();
    let expected = "cell 1:2: unexpected symbol near '='";
    assert_eq!(
        session.run("x = 1\ny = = 2"),
        Outcome::Error {
            ename: "SyntaxError".to_owned(),
            evalue: expected.to_owned(),
            traceback: vec![format!("SyntaxError: {expected}")],
        }
    );
    assert_eq!(session.error("1 +"), "cell 2:1: unexpected symbol near <eof>");
}

#[test]
fn any_value_can_be_an_error() {
    let mut session = Session::new();
    assert_eq!(session.error("error({code = 2})"), "{code = 2}");
    assert_eq!(session.error("error(setmetatable({}, {__tostring = function() return 'mine' end}))"), "mine");
    assert_eq!(session.error("error()"), "nil");
    assert_eq!(session.error("error('two\\nlines', 0)"), "two\nlines");
}

#[test]
fn the_traceback_lists_the_functions_of_the_person_only() {
    let mut session = Session::new();
    session.value("function inner()\n  error('boom')\nend");
    assert_eq!(
        traceback(&mut session, "local function outer()\n  inner()\n  return 1\nend\nlocal x = outer()"),
        [
            "LuaError: cell 1:2: boom",
            "stack traceback:",
            "    [C]: in function 'error'",
            "    cell 1:2: in function 'inner'",
            "    cell 2:2: in local 'outer'",
            "    cell 2:5: in main chunk",
        ]
    );
    let asked = traceback(&mut session, "local name = input()");
    assert_eq!(asked.last().unwrap(), "    cell 3:1: in main chunk");
    assert!(!asked.join("\n").contains('?'), "{asked:?}");
}

#[test]
fn a_runaway_recursion_ends_in_a_short_error() {
    let mut session = Session::new();
    let lines = traceback(&mut session, "local function f() return 1 + f() end f()");
    assert!(lines.first().unwrap().contains("stack overflow"), "{lines:?}");
    assert!(lines.len() < 50);
    assert_eq!(session.value("1"), "1");
}

#[test]
fn errors_can_be_caught_as_in_plain_lua() {
    let mut session = Session::new();
    assert_eq!(session.value("pcall(error, 'x', 0)"), "false\t\"x\"");
    let handled = session.value("xpcall(function(a) error(a, 0) end, function(p) return p .. '!' end, 'x')");
    assert_eq!(handled, "false\t\"x!\"");
    assert!(session.value("pcall(os.exit)").starts_with("false\t\""));
    assert!(session.error("xpcall(error)").contains("bad argument #2 to 'xpcall'"));
}

#[test]
fn debug_traceback_can_be_a_handler() {
    let mut session = Session::new();
    let text = session.value("select(2, xpcall(function() error('boom') end, debug.traceback))");
    assert!(text.starts_with("\"cell 1:1: boom\\nstack traceback:\\n\\t"), "{text}");
    assert!(text.ends_with("cell 1:1: in main chunk\""), "{text}");
    assert_eq!(session.value("debug.traceback({1})"), "{1}");
}

#[test]
fn exit_does_not_end_the_process() {
    let mut session = Session::new();
    assert!(session.error("local x = os.exit(0)").starts_with("cell 1:1: os.exit would end the kernel"));
    assert_eq!(session.value("1"), "1");
}

#[test]
fn coroutines_fail_as_in_plain_lua() {
    let mut session = Session::new();
    let problem = "bad argument #1 to 'wrap' (function expected, got nil)";
    assert_eq!(session.error("local x = coroutine.wrap(nil)"), format!("cell 1:1: {problem}"));
    // Lua adds the position of the caller to that of the error.
    let raised = session.error("coroutine.wrap(function()\n\nerror('inside') end)()");
    assert_eq!(raised, "cell 2:3: cell 2:3: inside");
    let resumed = session.value("coroutine.resume(coroutine.create(function(a) error(a, 0) end), 'x')");
    assert_eq!(resumed, "false\t\"x\"");
}
