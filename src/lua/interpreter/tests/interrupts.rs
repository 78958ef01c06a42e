use super::*;

/// Runs a cell on a thread of its own, interrupts it once it says (through its output) that it runs, and returns the
/// session and the outcome.
fn interrupted(mut session: Session, code: &str) -> (Session, Outcome) {
    let (sender, running) = mpsc::channel();
    *session.host.watcher.lock() = Some(sender);
    let handle = session.interpreter.interrupt_handle();
    let code = format!("print('running') io.stdout:flush() {code}");
    let cell = std::thread::spawn(move || {
        let outcome = session.run(&code);
        *session.host.watcher.lock() = None;
        (session, outcome)
    });
    assert_eq!(running.recv().unwrap(), "running\n");
    handle.interrupt();
    cell.join().unwrap()
}

#[test]
fn no_loop_gets_away() {
    for code in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(pcall, pcall, error) end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local function spin() while true do end end while true do xpcall(spin, spin) end",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "return (('x'):gsub('x', function() while true do end end))",
        "return setmetatable({}, {__tostring = function() while true do end end})",
        "local t <close> = setmetatable({}, {__close = function() while true do end end})",
        "while true do local t <close> = setmetatable({}, {__close = function() while true do end end}) end",
        "while true do print('x') end",
        "local function f() while true do pcall(f) end end f()",
        "local function f() while true do coroutine.resume(coroutine.create(f)) end end f()",
        "local function f() while true do pcall(coroutine.wrap(f)) end end f()",
    ] {
        assert_eq!(interrupted(Session::new(), code).1, Outcome::Interrupted, "{code}");
    }
}

#[test]
fn the_state_lives_on_and_the_interrupt_is_forgotten() {
    let (mut session, outcome) = interrupted(Session::new(), "kept = 1 while true do end");
    assert_eq!(outcome, Outcome::Interrupted);
    assert_eq!(session.value("local n = 0 for i = 1, 100000 do n = n + kept end return n"), "100000");
}

#[test]
fn a_waiting_question_ends_and_cannot_be_caught() {
    let mut session = Session::new();
    session.host.answers.lock().push_back(Err(InputError::Interrupted));
    assert_eq!(session.run("while true do pcall(input, '? ') end"), Outcome::Interrupted);
    assert_eq!(session.events(), [Event::Asked("? ".to_owned())]);
    assert_eq!(session.value("1"), "1");
}

#[test]
fn an_interrupt_before_the_cell_does_nothing() {
    let mut session = Session::new();
    session.interpreter.interrupt_handle().interrupt();
    assert_eq!(session.value("local n = 0 for i = 1, 100000 do n = i end return n"), "100000");
}
