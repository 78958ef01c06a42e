//! Code that runs.
use std::sync::Arc;

use jupyter_fleet::exec::Outcome;

use crate::{
    common::Kernel,
    script::{Script, exec},
};

/// Runs one cell of a fresh kernel.
fn ran(code: &str, answers: &[&str]) -> (Outcome, Arc<Script>) {
    let kernel = Kernel::start();
    let terminal = Script::answering(answers);
    (exec(&kernel.path, code, None, &terminal).unwrap(), terminal)
}

#[test]
fn output_and_result_are_shown_in_order() {
    let (outcome, terminal) = ran("print('a') io.write('b') io.stderr:write('oops') return 6 * 7", &[]);
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!((terminal.output().as_str(), terminal.errors().as_str()), ("a\nb\n42\n", "oops"));
}

#[test]
fn much_output_arrives_whole() {
    let (outcome, terminal) = ran("for i = 1, 100000 do print(i) end", &[]);
    let expected: String = (1..=100_000).map(|i| format!("{i}\n")).collect();
    assert!(outcome == Outcome::Succeeded && terminal.output() == expected);
}

#[test]
fn an_error_is_an_outcome_and_its_traceback_is_shown_once() {
    let (outcome, terminal) = ran("print('before') error('boom')", &[]);
    assert_eq!(outcome, Outcome::Raised);
    assert_eq!(terminal.output(), "before\n");
    assert_eq!(terminal.errors().matches("LuaError: cell 1:1: boom").count(), 1);
    assert!(terminal.errors().contains("stack traceback:"), "{}", terminal.errors());
}

#[test]
fn questions_are_asked_and_their_answers_reach_the_code() {
    let (outcome, terminal) = ran("print(input('Name? '), getpass('Key: '), input())", &["Adé", "secret"]);
    assert_eq!(outcome, Outcome::Succeeded);
    // The third answer is the end of the input.
    assert_eq!(terminal.output(), "Adé\tsecret\tnil\n");
    let asked =
        [("Name? ", false), ("Key: ", true), ("", false)].map(|(prompt, hidden)| (prompt.to_owned(), hidden));
    assert_eq!(*terminal.asked.lock().unwrap(), asked);
}

#[test]
fn several_runs_share_the_kernels_state() {
    let kernel = Kernel::start();
    let terminal = Script::answering(&[]);
    assert_eq!(exec(&kernel.path, "kept = 'here'", None, &terminal).unwrap(), Outcome::Succeeded);
    assert_eq!(exec(&kernel.path, "print(kept)", None, &terminal).unwrap(), Outcome::Succeeded);
    assert_eq!(terminal.output(), "here\n");
}
