use serde_json::json;

use super::*;

fn sample() -> Value {
    json!({
        "shell_port": 50001, "iopub_port": 50002, "stdin_port": 50003, "control_port": 50004, "hb_port": 50005,
        "ip": "127.0.0.1", "key": "a1b2", "transport": "tcp", "signature_scheme": "hmac-sha256",
        "kernel_name": "fleet", "jupyter_session": "note.ipynb"
    })
}

fn sample_with(field: &str, value: Value) -> Value {
    let mut file = sample();
    file[field] = value;
    file
}

fn parse(value: &Value) -> Result<ConnectionFile, ConnectionFileError> {
    ConnectionFile::parse(value.to_string().as_bytes())
}

fn message(value: &Value) -> String {
    parse(value).unwrap_err().to_string()
}

#[test]
fn reads_a_tcp_file() {
    let file = parse(&sample()).unwrap();
    assert_eq!(file.address(Channel::Shell).to_string(), "tcp://127.0.0.1:50001");
    assert_eq!(file.address(Channel::Heartbeat).to_string(), "tcp://127.0.0.1:50005");
    assert_eq!(file.key.as_ref().unwrap().as_bytes(), b"a1b2");
    assert_eq!(file.kernel_name.as_deref(), Some("fleet"));
    assert_eq!(file.extra["jupyter_session"], "note.ipynb");
}

#[test]
fn reads_an_ipc_file() {
    let mut value = sample_with("transport", json!("ipc"));
    value["ip"] = json!("/run/fleet/kernel-1-ipc");
    value["iopub_port"] = json!(2);
    let file = parse(&value).unwrap();
    assert_eq!(file.address(Channel::IoPub).to_string(), "ipc:///run/fleet/kernel-1-ipc-2");
}

#[test]
fn transport_ip_scheme_and_name_have_defaults() {
    let mut value = sample();
    for field in ["transport", "ip", "signature_scheme", "kernel_name"] {
        value.as_object_mut().unwrap().remove(field);
    }
    let file = parse(&value).unwrap();
    assert_eq!(file.location(), &Location::Tcp("127.0.0.1".parse().unwrap()));
    assert_eq!((file.signature_scheme, file.kernel_name), (SignatureScheme::HmacSha256, None));
}

#[test]
fn writes_jupyters_keys_and_keeps_the_others() {
    let written: Value = serde_json::from_str(&parse(&sample()).unwrap().to_json()).unwrap();
    assert_eq!(written, sample());
}

#[test]
fn a_missing_field_is_named() {
    for field in ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port", "key"] {
        let mut value = sample();
        value.as_object_mut().unwrap().remove(field);
        assert!(message(&value).contains(&format!("has no {field:?}")), "{field}");
    }
}

#[test]
fn a_port_that_no_socket_has_is_named() {
    for port in [json!(0), json!(65536), json!(-1), json!(1.5)] {
        let text = message(&sample_with("stdin_port", port.clone()));
        assert!(text.contains("\"stdin_port\"") && text.contains(&port.to_string()), "{text}");
    }
    assert!(message(&sample_with("hb_port", json!("80"))).contains("\"hb_port\" must be a number"));
}

#[test]
fn unknown_words_are_named() {
    assert!(message(&sample_with("transport", json!("udp"))).contains("\"udp\""));
    assert!(message(&sample_with("signature_scheme", json!("hmac-md4"))).contains("\"hmac-md4\""));
    assert!(message(&sample_with("ip", json!("example.org"))).contains("\"example.org\""));
}

#[test]
fn an_empty_key_is_unsigned_and_refused_on_tcp_only() {
    let mut value = sample_with("key", json!(""));
    let tcp = parse(&value).unwrap();
    assert!(matches!(tcp.signing_key(), Err(ConnectionFileError::UnsignedOverTcp)));

    value["transport"] = json!("ipc");
    value["ip"] = json!("/run/k");
    assert_eq!(parse(&value).unwrap().signing_key().unwrap(), None);
}

#[test]
fn an_ipc_path_may_have_107_bytes() {
    let mut value = sample_with("transport", json!("ipc"));
    value["ip"] = json!("x".repeat(LONGEST_IPC_PATH - "-50001".len()));
    assert!(parse(&value).is_ok());

    value["ip"] = json!("x".repeat(LONGEST_IPC_PATH - "-50001".len() + 1));
    assert!(message(&value).contains("108 bytes"), "{}", message(&value));
}

#[test]
fn curve_keys_are_refused_and_not_shown() {
    let text = message(&sample_with("curve_secretkey", json!("hush")));
    assert!(text.contains("CURVE is not supported yet") && !text.contains("hush"), "{text}");
    assert!(parse(&sample_with("curve_publickey", Value::Null)).is_ok());
}

#[test]
fn neither_debug_nor_errors_show_the_key() {
    let file = parse(&sample_with("key", json!("hush"))).unwrap();
    assert!(!format!("{file:?}").contains("hush"));
    assert!(!message(&sample_with("key", json!(["hush"]))).contains("hush"));
}

#[test]
fn what_is_no_object_is_refused() {
    assert!(message(&json!([1])).contains("not a JSON object"));
    assert!(matches!(ConnectionFile::parse(b"{\"ip\": "), Err(ConnectionFileError::NotJson(_))));
}
