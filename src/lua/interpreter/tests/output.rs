use super::*;

#[test]
fn everything_printed_arrives_in_order() {
    let mut session = Session::new();
    session.value(
        "print('a', 1, nil, 2.0) io.write('b', 1, '\\n') io.stdout:write('c'):write('d') io.stderr:write('e') \
         print() io.output():write('f')",
    );
    let expected = [stdout("a\t1\tnil\t2.0\nb1\ncd"), Event::Stderr("e".to_owned()), stdout("\nf")];
    assert_eq!(session.events(), expected);
}

#[test]
fn print_uses_tostring() {
    let mut session = Session::new();
    session.value("print(setmetatable({}, {__tostring = function() return 'me' end}))");
    assert_eq!(session.events(), [stdout("me\n")]);
    let bad = "print(setmetatable({}, {__tostring = function() return {} end}))";
    assert_eq!(session.error(bad), "'__tostring' must return a string");
}

#[test]
fn a_hundred_thousand_small_writes_are_few_pieces() {
    let mut session = Session::new();
    let (sender, pieces) = mpsc::channel();
    *session.host.watcher.lock() = Some(sender);
    session.value("for i = 1, 100000 do io.write('x') end");
    assert_eq!(session.events(), [stdout(&"x".repeat(100_000))]);
    assert!(pieces.try_iter().count() < 5_000);
}

#[test]
fn output_precedes_the_error_that_follows_it() {
    let mut session = Session::new();
    session.error("io.write('before') error('x')");
    assert_eq!(session.events(), [stdout("before")]);
}

#[test]
fn displays_stay_in_order_with_the_output() {
    let mut session = Session::new();
    session.value("io.write('1') display({['text/html'] = '<b>x</b>'}) io.write('2') display({1})");
    let expected = [
        stdout("1"),
        Event::Display(json!({"text/html": "<b>x</b>"})),
        stdout("2"),
        Event::Display(json!({"text/plain": "{1}"})),
    ];
    assert_eq!(session.events(), expected);
    assert_eq!(
        session.error("\ndisplay({['image/png'] = '\\xff'})"),
        "cell 2:2: display: the data of image/png is binary: encode it as base64 first"
    );
}

#[test]
fn the_standard_files_look_like_files() {
    let mut session = Session::new();
    let looks = session.value("io.type(io.stdout), io.type(1), tostring(io.stdin)");
    assert_eq!(looks, "\"file\"\tnil\t\"file (stdin)\"");
    assert_eq!(session.value("io.stdout:setvbuf('no'), io.stdout:flush() == io.stdout"), "true\ttrue");
    let problem = "bad argument #1 to 'write' (string expected, got table)";
    assert_eq!(session.error("io.write({})"), format!("cell 3:1: {problem}"));
    let problem = "bad argument #1 to 'write' (FILE* expected, got string)";
    assert_eq!(session.error("io.stdout.write('x')"), format!("cell 4:1: {problem}"));
}

#[test]
fn files_can_take_the_place_of_the_standard_ones() {
    let mut session = Session::new();
    let directory = tempfile::tempdir().unwrap();
    session.value(&format!("path = '{}'", directory.path().join("lines.txt").display()));
    session.value("f = io.output(path) io.write('one\\ntwo\\n') io.output(io.stdout) f:close()");
    session.value("io.input(path)");
    assert_eq!(session.value("io.read('l', 'L', 'l')"), "\"one\"\t\"two\\n\"\tnil");
    session.value("io.input():close() io.input(io.stdin) for line in io.lines(path) do print(line) end");
    assert_eq!(session.events(), [stdout("one\ntwo\n")]);
}

#[test]
fn commands_print_into_the_cell() {
    let mut session = Session::new();
    let ended = session.value("io.write('a ')\nos.execute('echo b; echo c >&2; exit 3')");
    assert_eq!(ended, "nil\t\"exit\"\t3");
    assert_eq!(session.events(), [stdout("a b\nc\n")]);
    assert_eq!(session.value("os.execute()"), "true");
}

#[test]
fn warnings_go_to_standard_error() {
    let mut session = Session::new();
    session.value("warn('a', 'b') warn('@off') warn('c') warn('@on') warn('d')");
    assert_eq!(session.events(), [Event::Stderr("Lua warning: ab\nLua warning: d\n".to_owned())]);
}
