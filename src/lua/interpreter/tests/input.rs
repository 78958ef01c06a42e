use super::*;

#[test]
fn input_asks_and_the_output_before_it_is_visible() {
    let mut session = Session::answering(&["Ada", "secret", "more"]);
    let answers = session.value("io.write('hi') return input('Name? '), getpass(), input()");
    assert_eq!(answers, "\"Ada\"\t\"secret\"\t\"more\"");
    let expected = [
        stdout("hi"),
        Event::Asked("Name? ".to_owned()),
        Event::AskedPassword("Password: ".to_owned()),
        Event::Asked(String::new()),
    ];
    assert_eq!(session.events(), expected);
}

#[test]
fn the_formats_of_read() {
    let mut session = Session::answering(&["one", "two", "three", "12.5 rest", "0x1F,5e2", "éa"]);
    assert_eq!(session.value("io.read(), io.read('*L'), io.read('a')"), "\"one\"\t\"two\\n\"\t\"three\\n\"");
    assert_eq!(session.value("io.read('n', 'l')"), "12.5\t\" rest\"");
    assert_eq!(session.value("io.stdin:read('*n', 1, '*n')"), "31\t\",\"\t500.0");
    assert_eq!(session.value("io.read(2, 0, 1)"), "\"é\"\t\"\"\t\"a\"");
    assert_eq!(session.error("io.read('x')"), "cell 5:1: bad argument #1 to 'read' (invalid format)");
}

#[test]
fn numbers_that_are_none_are_given_up() {
    let mut session = Session::answering(&["", "abc", "7"]);
    assert_eq!(session.value("io.read('n')"), "");
    assert_eq!(session.value("io.read('n')"), "7");
}

#[test]
fn lines_go_on_to_the_end_of_the_input() {
    let mut session = Session::answering(&["a", "b", "\u{4}", "c", "\u{4}", "\u{4}"]);
    session.value("local all = '' for line in io.lines() do all = all .. line .. ';' end print(all)");
    session.value("for line in io.stdin:lines('L') do io.write(line) end");
    let printed: Vec<_> =
        session.events().into_iter().filter(|event| matches!(event, Event::Stdout(_))).collect();
    assert_eq!(printed, [stdout("a;b;\n"), stdout("c\n")]);
    assert_eq!(session.run("input()"), Outcome::Value(None));
}

#[test]
fn what_was_left_of_a_line_ends_with_its_cell() {
    let mut session = Session::answering(&["1 leftover", "fresh"]);
    assert_eq!(session.value("io.read('n')"), "1");
    assert_eq!(session.value("io.read()"), "\"fresh\"");
}

#[test]
fn a_frontend_that_cannot_ask_is_an_error_that_says_so() {
    let mut session = Session::new();
    assert_eq!(session.error("\nlocal name = input('? ')"), format!("cell 1:2: {}", InputError::NotAllowed));
    for code in ["io.read()", "io.read('n')", "io.stdin:read('a')", "for l in io.lines() do end", "getpass()"]
    {
        assert!(session.error(code).ends_with(&InputError::NotAllowed.to_string()), "{code}");
    }
    assert_eq!(session.value("type(select(2, pcall(io.read)))"), "\"string\"");
}
