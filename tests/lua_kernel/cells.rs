//! Running cells: what they publish, reply, count and abort.
use jupyter_fleet::{
    channel::Channel,
    jupyter::message::Envelope,
    limits::Limits,
    net::{PeerSettings, dial},
    zmtp::{Local, SocketType},
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::common::{Kernel, kernel::DEADLINE};

#[test]
fn a_cell_publishes_what_the_spec_says_in_its_order() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let ran = client.execute("print('out') io.stderr:write('err') display('shown') return 6 * 7");
    assert_eq!(
        ran.types(),
        ["status", "execute_input", "stream", "stream", "display_data", "execute_result", "status"]
    );
    assert_eq!((ran.text("stdout").as_str(), ran.text("stderr").as_str()), ("out\n", "err"));
    let states = [json!({"execution_state": "busy"}), json!({"execution_state": "idle"})];
    assert_eq!(ran.contents("status"), [&states[0], &states[1]]);
    assert_eq!(ran.contents("execute_input")[0]["execution_count"], 1);
    assert_eq!(ran.contents("display_data")[0]["data"], json!({"text/plain": "\"shown\""}));
    assert_eq!(
        ran.contents("execute_result"),
        [&json!({"execution_count": 1, "data": {"text/plain": "42"}, "metadata": {}})]
    );
    let reply = json!({"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []});
    assert_eq!(ran.reply, reply);
    assert_eq!(client.execute("x = 1").reply["execution_count"], 2);
}

#[test]
fn an_error_is_published_and_replied_with_its_traceback() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let ran = client.execute("local function f() error('boom') end\nf()");
    let error = ran.contents("error")[0];
    assert_eq!((&error["ename"], &error["evalue"]), (&json!("LuaError"), &json!("cell 1:1: boom")));
    let traceback: Vec<String> = serde_json::from_value(error["traceback"].clone()).unwrap();
    assert!(traceback.join("\n").contains("cell 1:2: in main chunk"), "{traceback:?}");
    for (key, value) in error.as_object().unwrap() {
        assert_eq!(&ran.reply[key], value);
    }
    assert_eq!((&ran.reply["status"], &ran.reply["execution_count"]), (&json!("error"), &json!(1)));
}

#[test]
fn a_silent_cell_shows_nothing_and_does_not_count() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let ran = client.execute_with(json!({"code": "x = 5 print(x) return x", "silent": true}));
    assert_eq!((ran.types(), &ran.reply["status"]), (vec!["status", "status"], &json!("ok")));
    let unstored = client.execute_with(json!({"code": "x", "store_history": false}));
    assert_eq!((unstored.value(), &unstored.reply["execution_count"]), ("5", &json!(1)));
    assert_eq!(client.execute("x").reply["execution_count"], 1);
    let history = client.ask(Channel::Shell, "history_request", json!({"hist_access_type": "tail", "n": 9}));
    assert_eq!(history["history"], json!([[1, 1, "x"]]));
}

#[test]
fn user_expressions_are_evaluated_each_for_itself() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let expressions = json!({"sum": "x + 1", "none": "nil", "bad": "x.y.z", "statement": "y = 1"});
    let ran = client.execute_with(json!({"code": "x = 1", "user_expressions": expressions}));
    let values = &ran.reply["user_expressions"];
    let shown = |text: &str| json!({"status": "ok", "data": {"text/plain": text}, "metadata": {}});
    assert_eq!((&values["sum"], &values["none"]), (&shown("2"), &shown("nil")));
    assert_eq!(
        (&values["bad"]["ename"], &values["statement"]["ename"]),
        (&json!("LuaError"), &json!("SyntaxError"))
    );
    assert_eq!(ran.types(), ["status", "execute_input", "status"]);
}

#[test]
fn a_cell_that_cannot_be_read_is_an_error() {
    let kernel = Kernel::start();
    let reply = kernel.client().ask(Channel::Shell, "execute_request", json!({"code": 1}));
    assert_eq!(reply["status"], "error");
    assert!(reply["evalue"].as_str().unwrap().contains("execute_request"), "{reply}");
}

/// Sends cells in one go, so that all have arrived when the first one runs; returns the statuses of their replies.
fn run_together(kernel: &Kernel, cells: &[Value]) -> Vec<String> {
    let client = kernel.client();
    let sent =
        cells.iter().map(|content| client.message("execute_request", content.clone())).collect::<Vec<_>>();
    kernel.runtime.block_on(async {
        let local = Local::new(SocketType::Dealer, "together".into(), 512);
        let address = kernel.file.address(Channel::Shell);
        let settings = PeerSettings::new(&Limits::default());
        let mut peer = dial(&address, &local, &settings, Instant::now() + DEADLINE).await.unwrap();
        let outbox = peer.signed_outbox();
        // What comes right behind the handshake may be torn in two by it.
        let (_, first) = client.message("comm_info_request", json!({}));
        outbox.send(&Envelope::default(), &first).unwrap();
        assert!(timeout(DEADLINE, peer.next(&mut Vec::new())).await.expect("a reply is due").unwrap());
        for (_, message) in &sent {
            outbox.push(&Envelope::default(), message).unwrap();
        }
        outbox.flush();
        let _kept = peer;
        tokio::task::block_in_place(|| sent.iter().map(|(id, _)| ended(&client.published(id))).collect())
    })
}

/// How a request ended, as far as iopub tells.
fn ended(messages: &[crate::common::client::Message]) -> String {
    messages.iter().map(|message| message.msg_type.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_error_aborts_what_is_queued_behind_it() {
    let kernel = Kernel::start();
    let cell = |code: &str, stop: bool| json!({"code": code, "stop_on_error": stop});
    let stopped =
        run_together(&kernel, &[cell("error('x')", true), cell("print(1)", true), cell("print(2)", true)]);
    assert_eq!(stopped, ["status execute_input error status", "status status", "status status"]);
    let went_on = run_together(&kernel, &[cell("error('x')", false), cell("print(1)", true)]);
    assert_eq!(went_on, ["status execute_input error status", "status execute_input stream status"]);
}

#[test]
fn an_interrupt_ends_a_cell_that_never_ends() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let id = client.send(Channel::Shell, "execute_request", json!({"code": "while true do end"}));
    while client.receive(Channel::IoPub).msg_type != "execute_input" {}
    // Control answers while the cell runs; an interrupt that comes before its first instruction is forgotten.
    assert_eq!(client.ask(Channel::Control, "kernel_info_request", json!({}))["status"], "ok");
    let mut interrupts = 0;
    while client.socket(Channel::Shell).poll(zmq::POLLIN, 20).unwrap() == 0 {
        interrupts += 1;
        assert!(interrupts < 1000, "the cell is not interrupted");
        assert_eq!(client.ask(Channel::Control, "interrupt_request", json!({})), json!({"status": "ok"}));
    }
    let ran = client.ran(&id);
    assert_eq!((&ran.reply["status"], &ran.reply["ename"]), (&json!("error"), &json!("KeyboardInterrupt")));
    assert_eq!(client.execute("1 + 1").value(), "2");
}

#[test]
fn a_hundred_thousand_lines_arrive_in_order() {
    let kernel = Kernel::start();
    let ran = kernel.client().execute("for i = 1, 100000 do print(i) end");
    let expected: String = (1..=100_000).map(|i| format!("{i}\n")).collect();
    assert!(ran.text("stdout") == expected, "{} of {} bytes", ran.text("stdout").len(), expected.len());
}
