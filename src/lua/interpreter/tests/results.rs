use super::*;

#[test]
fn what_a_cell_evaluates_to() {
    let mut session = Session::new();
    assert_eq!(session.run("1 + 1"), Outcome::Value(Some("2".to_owned())));
    assert_eq!(session.run("x = 3"), Outcome::Value(None));
    assert_eq!(session.run("nil"), Outcome::Value(None));
    assert_eq!(session.run("(function() end)()"), Outcome::Value(None));
    assert_eq!(session.value("'a', 2, nil"), "\"a\"\t2\tnil");
    assert_eq!(session.value("nil, 'why'"), "nil\t\"why\"");
    assert_eq!(session.value("return {x, y = {}}"), "{3, y = {}}");
    assert_eq!(session.value("local y = 4\nx + y"), "7");
    assert_eq!(session.value("false"), "false");
}

#[test]
fn globals_stay_and_locals_end_with_their_cell() {
    let mut session = Session::new();
    session.value("kept = 1 local lost = 2 function get() return lost end");
    assert_eq!(session.value("kept, lost, get()"), "1\tnil\t2");
}

#[test]
fn the_state_outlives_errors() {
    let mut session = Session::new();
    session.error("before = 1 error('x')");
    assert_eq!(session.value("before"), "1");
}

#[test]
fn a_result_may_describe_itself() {
    let mut session = Session::new();
    assert_eq!(session.value("setmetatable({}, {__tostring = function() return 'me' end})"), "me");
    assert_eq!(session.error("setmetatable({}, {__tostring = function() error('not me', 0) end})"), "not me");
}

#[test]
fn code_can_be_loaded_and_modules_required() {
    let mut session = Session::new();
    assert_eq!(session.value("load('return 1 + 1')()"), "2");
    session.value("package.preload.mine = function() return {answer = 42} end");
    assert_eq!(session.value("require('mine').answer"), "42");
    assert_eq!(session.value("require('debug') == debug"), "true");
}

#[test]
fn coroutines_live_across_cells_and_the_main_one_is_lua_s_own() {
    let mut session = Session::new();
    assert_eq!(session.value("select(2, coroutine.running())"), "true");
    session.value("co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)");
    assert_eq!(session.value("co()"), "1");
    assert_eq!(session.value("co()"), "2");
}

#[test]
fn completion_and_inspection_see_the_state() {
    let mut session = Session::new();
    session.value("greeting = 'hello' function greet(name) end");
    assert_eq!(session.interpreter.complete("gree", 4).matches, ["greet", "greeting"]);
    assert_eq!(session.interpreter.complete("io.stdout:wr", 12).matches, ["write"]);
    assert_eq!(session.interpreter.inspect("greeting", 2).unwrap(), "greeting: string\n\n\"hello\"");
    let about = session.interpreter.inspect("greet()", 6).unwrap();
    assert!(about.ends_with("Defined in cell 1, line 1."), "{about}");
    let incomplete = Completeness::Incomplete { indent: "  ".to_owned() };
    assert_eq!(session.interpreter.is_complete("greet("), incomplete);
}

#[test]
fn completion_leaves_the_garbage_collector_as_it_was() {
    let mut session = Session::new();
    for expected in ["true", "false"] {
        assert_eq!(session.interpreter.complete("pri", 3).matches, ["print"]);
        assert_eq!(session.value("collectgarbage('isrunning')"), expected);
        session.value("collectgarbage('stop')");
    }
}
