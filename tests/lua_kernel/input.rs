//! Cells that ask.
use jupyter_fleet::channel::Channel;
use serde_json::{Value, json};

use crate::common::{Client, Kernel, client::Ran};

/// Runs a cell that may ask, up to its question.
fn asking(client: &Client, code: &str) -> (String, Value) {
    let content = json!({"code": code, "allow_stdin": true});
    let id = client.send(Channel::Shell, "execute_request", content);
    let question = client.receive(Channel::Stdin);
    assert_eq!((question.msg_type.as_str(), &question.parent), ("input_request", &id));
    (id, question.content)
}

fn answered(client: &Client, id: &str, line: &str) -> Ran {
    client.send(Channel::Stdin, "input_reply", json!({ "value": line }));
    client.ran(id)
}

#[test]
fn an_answer_reaches_the_cell() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let (id, question) = asking(&client, "input('Name? ')");
    assert_eq!(question, json!({"prompt": "Name? ", "password": false}));
    assert_eq!(answered(&client, &id, "Adé").value(), "\"Adé\"");
    let (id, question) = asking(&client, "getpass()");
    assert_eq!(question["password"], true);
    assert_eq!(answered(&client, &id, "secret").value(), "\"secret\"");
}

#[test]
fn each_client_answers_its_own_cell() {
    let kernel = Kernel::start();
    let (one, two, third) = (kernel.client(), kernel.client(), kernel.client());
    let (id, _) = asking(&one, "input()");
    // Neither an answer of somebody else nor one to another question counts.
    third.send(Channel::Stdin, "input_reply", json!({"value": "of another client"}));
    let parent = json!({"msg_id": "another question"});
    one.send_answering(Channel::Stdin, "input_reply", json!({"value": "to another question"}), &parent);
    assert_eq!(answered(&one, &id, "mine").value(), "\"mine\"");
    let (id, _) = asking(&two, "input()");
    assert_eq!(answered(&two, &id, "yours").value(), "\"yours\"");
}

#[test]
fn a_frontend_that_does_not_allow_input_is_not_asked() {
    let kernel = Kernel::start();
    let ran = kernel.client().execute("input('? ')");
    assert!(ran.reply["evalue"].as_str().unwrap().contains("does not allow input"), "{}", ran.reply);
}

#[test]
fn an_interrupt_ends_the_wait_for_an_answer() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let (id, _) = asking(&client, "pcall(input) return 'went on'");
    client.ask(Channel::Control, "interrupt_request", json!({}));
    assert_eq!(client.ran(&id).reply["ename"], "KeyboardInterrupt");
    assert_eq!(client.execute("1").value(), "1");
}

#[test]
fn a_frontend_that_leaves_does_not_leave_its_cell_waiting() {
    let kernel = Kernel::start();
    let (leaves, stays) = (kernel.client(), kernel.client());
    asking(&leaves, "input()");
    drop(leaves);
    assert_eq!(stays.execute("'alive'").value(), "\"alive\"");
}
