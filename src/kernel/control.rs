//! Requests that need no language: what control answers at once, and shell in its turn.

use serde_json::{Value, json};

use super::{content::CommOpen, request::Request, running::Kernel};
use crate::jupyter::reply::{Failure, connect_content};

/// Answers a request on control, with the status around it.
pub(super) fn answer(kernel: &Kernel, request: &Request) {
    kernel.while_busy(request, || answer_any(kernel, request));
    if request.msg_type == "shutdown_request" {
        kernel.end();
    }
}

/// Answers a request. One that nobody knows gets an error; messages that are no requests get no reply.
pub(super) fn answer_any(kernel: &Kernel, request: &Request) {
    let content = match request.msg_type.as_str() {
        "kernel_info_request" => kernel.info.clone(),
        "connect_request" => connect_content(&kernel.ports),
        "comm_info_request" => json!({ "status": "ok", "comms": {} }),
        "interrupt_request" => {
            kernel.interrupt();
            json!({ "status": "ok" })
        }
        "shutdown_request" => shut_down(kernel, request),
        "comm_open" => return close_comm(kernel, request),
        other if other.ends_with("_request") => return kernel.refuse(request, &unknown(other)),
        _ => return,
    };
    kernel.reply(request, content);
}

/// The kernel ends once this is answered; others learn of it on iopub, as from ipykernel.
fn shut_down(kernel: &Kernel, request: &Request) -> Value {
    let restart =
        request.content::<Value>().is_ok_and(|content| content.get("restart") == Some(&Value::Bool(true)));
    let content = json!({ "status": "ok", "restart": restart });
    kernel.publish("shutdown_reply", content.clone(), &request.header);
    content
}

/// There are no targets here; the spec has the receiver close a comm that it cannot open.
fn close_comm(kernel: &Kernel, request: &Request) {
    if let Ok(CommOpen { comm_id }) = request.content() {
        kernel.publish("comm_close", json!({ "comm_id": comm_id, "data": {} }), &request.header);
    }
}

fn unknown(msg_type: &str) -> Failure {
    Failure::new("UnknownRequest", format!("this kernel does not know {msg_type} on this channel"))
}
