//! Everything that is not a cell.
use jupyter_fleet::channel::Channel;
use serde_json::{Value, json};

use crate::common::Kernel;

#[test]
fn kernel_info_is_told_on_shell_and_control() {
    let kernel = Kernel::start();
    let client = kernel.client();
    for channel in [Channel::Shell, Channel::Control] {
        let info = client.ask(channel, "kernel_info_request", json!({}));
        assert_eq!((&info["status"], &info["protocol_version"]), (&json!("ok"), &json!("5.5")));
        assert_eq!(info["language_info"]["name"], "lua");
    }
}

#[test]
fn completion_and_inspection_count_code_points() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let code = "x = '😀' .. string.fo";
    let found = client.ask(Channel::Shell, "complete_request", json!({"code": code, "cursor_pos": 20}));
    assert_eq!(
        found,
        json!({"status": "ok", "matches": ["format"], "cursor_start": 18, "cursor_end": 20, "metadata": {}})
    );
    let inspect = |code: &str| {
        client.ask(
            Channel::Shell,
            "inspect_request",
            json!({"code": code, "cursor_pos": 1, "detail_level": 0}),
        )
    };
    let known = inspect("print");
    assert_eq!((&known["status"], &known["found"]), (&json!("ok"), &json!(true)));
    assert!(known["data"]["text/plain"].as_str().unwrap().starts_with("print("), "{known}");
    assert_eq!(inspect("nothing"), json!({"status": "ok", "found": false, "data": {}, "metadata": {}}));
}

#[test]
fn code_is_complete_incomplete_or_invalid() {
    let kernel = Kernel::start();
    let client = kernel.client();
    for (code, answer) in [
        ("1 + 1", json!({"status": "complete"})),
        ("while true do", json!({"status": "incomplete", "indent": "  "})),
        ("x = = 1", json!({"status": "invalid"})),
    ] {
        assert_eq!(client.ask(Channel::Shell, "is_complete_request", json!({ "code": code })), answer);
    }
}

#[test]
fn history_has_inputs_and_outputs() {
    let kernel = Kernel::start();
    let client = kernel.client();
    client.execute("x = 1");
    client.execute("x");
    let ask = |content: Value| client.ask(Channel::Shell, "history_request", content);
    let tail = ask(json!({"hist_access_type": "tail", "n": 2, "output": true, "raw": true}));
    assert_eq!(tail, json!({"status": "ok", "history": [[1, 1, ["x = 1", null]], [1, 2, ["x", "1"]]]}));
    let search = ask(json!({"hist_access_type": "search", "pattern": "x =*"}));
    assert_eq!(search["history"], json!([[1, 1, "x = 1"]]));
    assert_eq!(ask(json!({"hist_access_type": "sideways"}))["status"], "error");
}

#[test]
fn there_are_no_comms_and_ports_are_told() {
    let kernel = Kernel::start();
    let client = kernel.client();
    let comms = client.ask(Channel::Shell, "comm_info_request", json!({}));
    assert_eq!(comms, json!({"status": "ok", "comms": {}}));
    let open = json!({"comm_id": "c1", "target_name": "widgets", "data": {}});
    let id = client.send(Channel::Shell, "comm_open", open);
    let published = client.published(&id);
    assert_eq!(published[1].msg_type, "comm_close");
    assert_eq!(published[1].content, json!({"comm_id": "c1", "data": {}}));
    let ports = client.ask(Channel::Shell, "connect_request", json!({}));
    assert_eq!((&ports["shell_port"], &ports["hb_port"]), (&json!(1), &json!(5)));
}

#[test]
fn unknown_requests_get_an_error_under_their_own_name() {
    let kernel = Kernel::start();
    let client = kernel.client();
    for (channel, request) in [
        (Channel::Shell, "juggle_request"),
        (Channel::Control, "debug_request"),
        (Channel::Control, "execute_request"),
    ] {
        let reply = client.ask(channel, request, json!({}));
        assert_eq!(reply["status"], "error");
        assert!(reply["evalue"].as_str().unwrap().contains(request), "{reply}");
    }
}

#[test]
fn every_request_is_busy_and_idle() {
    let kernel = Kernel::start();
    let client = kernel.client();
    for (channel, request) in [
        (Channel::Control, "kernel_info_request"),
        (Channel::Shell, "is_complete_request"),
        (Channel::Shell, "comm_msg"),
    ] {
        let id = client.send(channel, request, json!({"code": ""}));
        let states: Vec<Value> =
            client.published(&id).iter().map(|message| message.content["execution_state"].clone()).collect();
        assert_eq!(states, ["busy", "idle"], "{request}");
    }
}

#[test]
fn a_shutdown_is_answered_and_ends_the_kernel() {
    for (channel, restart) in [(Channel::Control, true), (Channel::Shell, false)] {
        let kernel = Kernel::start();
        let client = kernel.client();
        let reply = client.ask(channel, "shutdown_request", json!({ "restart": restart }));
        assert_eq!(reply, json!({"status": "ok", "restart": restart}));
        assert!(kernel.ended().is_ok());
    }
}

#[test]
fn a_shutdown_ends_a_running_cell() {
    let kernel = Kernel::start();
    let client = kernel.client();
    client.send(Channel::Shell, "execute_request", json!({"code": "while true do end"}));
    while client.receive(Channel::IoPub).msg_type != "execute_input" {}
    assert_eq!(client.ask(Channel::Control, "shutdown_request", json!({}))["status"], "ok");
    assert!(kernel.ended().is_ok());
}
