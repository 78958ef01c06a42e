//! Kernels of others: what they publish for others, leave out, and say in other orders.
use jupyter_fleet::exec::{ExecError, Outcome};
use serde_json::{Value, json};

use crate::{
    fake::{Fake, Line, published, replied},
    script::{Script, exec, exec_in},
};

fn info() -> Value {
    json!({"status": "ok", "implementation": "fake", "banner": ""})
}

fn stream(text: &str) -> Value {
    json!({ "name": "stdout", "text": text })
}

fn idle() -> Line {
    published("status", json!({"execution_state": "idle"}))
}

#[test]
fn what_others_run_is_not_shown_and_does_not_end_it() {
    let fake = Fake::start(info(), || {
        let foreign = |line: Line| Line { foreign: true, ..line };
        vec![
            foreign(published("stream", stream("theirs"))),
            foreign(idle()),
            foreign(replied("execute_reply", json!({"status": "error"}))),
            published("stream", stream("ours")),
            replied("execute_reply", json!({"status": "ok"})),
            idle(),
        ]
    });
    let terminal = Script::answering(&[]);
    assert_eq!(exec(&fake.path, "x", None, &terminal).unwrap(), Outcome::Succeeded);
    assert_eq!(terminal.output(), "ours");
}

#[test]
fn output_behind_the_reply_is_still_shown() {
    let fake = Fake::start(info(), || {
        vec![replied("execute_reply", json!({"status": "ok"})), published("stream", stream("late")), idle()]
    });
    let terminal = Script::answering(&[]);
    assert_eq!(exec(&fake.path, "x", None, &terminal).unwrap(), Outcome::Succeeded);
    assert_eq!(terminal.output(), "late");
}

#[test]
fn an_error_that_is_only_in_the_reply_is_shown() {
    let fake = Fake::start(info(), || {
        vec![replied("execute_reply", json!({"status": "error", "ename": "E", "evalue": "v"})), idle()]
    });
    let terminal = Script::answering(&[]);
    assert_eq!(exec(&fake.path, "x", None, &terminal).unwrap(), Outcome::Raised);
    assert_eq!(terminal.errors(), "E: v\n");
}

#[test]
fn an_aborted_cell_is_told_from_a_failed_one() {
    let fake = Fake::start(info(), || vec![replied("execute_reply", json!({"status": "aborted"})), idle()]);
    assert_eq!(exec(&fake.path, "x", None, &Script::answering(&[])).unwrap(), Outcome::Aborted);
}

#[test]
fn every_message_carries_the_routing_metadata() {
    let fake = Fake::start(info(), || vec![replied("execute_reply", json!({"status": "ok"})), idle()]);
    let asked = json!({"runtime": "lua", "providers": ["openai"]});
    let fleet = asked.as_object().cloned();
    exec_in(&fake.path, fleet, "x", None, &Script::answering(&[])).unwrap();
    let metadata: Vec<Value> = fake.metadata.try_iter().collect();
    assert!(metadata.len() >= 2);
    assert!(metadata.iter().all(|metadata| metadata["fleet"] == asked), "{metadata:?}");
}

#[test]
fn a_fleet_without_such_a_kernel_says_so_before_anything_runs() {
    for info in [
        json!({"status": "error", "ename": "NoMatchingKernel", "evalue": "no runtime has labels"}),
        json!({"status": "ok", "implementation": "jupyter-fleet", "banner": "jupyter-fleet: no runtime has labels\n"}),
    ] {
        let fake = Fake::start(info, Vec::new);
        let error = exec(&fake.path, "x", None, &Script::answering(&[])).unwrap_err();
        assert!(matches!(&error, ExecError::Refused(why) if why == "no runtime has labels"), "{error:?}");
    }
}
