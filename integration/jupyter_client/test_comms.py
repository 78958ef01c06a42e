"""What rides beside the cells: comms with buffers, the debugger, subshells."""

import os
import uuid

from harness.clients import execute, finish, messages_of, next_message, reply_to, request
from harness.deadline import Deadline

ECHO_TARGET = """
def opened(comm, open_message):
    @comm.on_msg
    def echo(message):
        comm.send(data=message["content"]["data"], buffers=message["buffers"])
    comm.send(data={"lengths": [len(buffer) for buffer in open_message["buffers"]]}, buffers=open_message["buffers"])

get_ipython().kernel.comm_manager.register_target("echo", opened)
"""
BUFFERS = [b"", b"\0", os.urandom(1 << 20), b"", b"<IDS|MSG>", b"\xff\xfe\n\r", b"{}"]


def send_comm(client, msg_type, content, buffers):
    """Sends a comm message and returns the comm messages that it caused."""
    message = client.session.msg(msg_type, content)
    message["buffers"] = buffers
    client.shell_channel.send(message)
    return [answer for answer in messages_of(client, message["header"]["msg_id"]) if answer["msg_type"] == "comm_msg"]


def test_buffers_are_identical_both_ways(connect, group):
    client = connect(group=group)
    assert execute(client, ECHO_TARGET).status == "ok"
    comm = {"comm_id": uuid.uuid4().hex, "data": {}}

    [opened] = send_comm(client, "comm_open", comm | {"target_name": "echo"}, BUFFERS)
    assert opened["content"]["data"] == {"lengths": [len(buffer) for buffer in BUFFERS]}
    assert [bytes(buffer) for buffer in opened["buffers"]] == BUFFERS

    for turn in range(3):
        buffers = [os.urandom(1 << 20), b"", os.urandom(turn)]
        [echo] = send_comm(client, "comm_msg", comm | {"data": {"turn": turn}}, buffers)
        assert echo["content"] == {"comm_id": comm["comm_id"], "data": {"turn": turn}}
        assert [bytes(buffer) for buffer in echo["buffers"]] == buffers


def test_a_widget_moves_both_ways(connect, group):
    client = connect(group=group)
    shown = execute(client, "import ipywidgets; slider = ipywidgets.IntSlider(value=3); slider")
    model_id = shown.of_type("execute_result")[0]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    content = {"comm_id": model_id, "data": {"method": "update", "state": {"value": 8}, "buffer_paths": []}}
    message = client.session.msg("comm_msg", content)
    client.shell_channel.send(message)
    messages_of(client, message["header"]["msg_id"])
    assert execute(client, "slider.value").result == "8"


def test_debugger_initialize_and_attach(connect, group):
    client = connect(group=group, debug=True)
    arguments = {
        "clientID": "test", "clientName": "test", "adapterID": "", "pathFormat": "path", "linesStartAt1": True,
        "columnsStartAt1": True, "supportsVariableType": True, "supportsVariablePaging": True,
        "supportsRunInTerminalRequest": True, "locale": "en",
    }
    for sequence, (command, body) in enumerate([("initialize", arguments), ("attach", {})], start=1):
        content = {"type": "request", "seq": sequence, "command": command, "arguments": body}
        answer = request(client, "debug_request", content, channel="control")["content"]
        assert (answer["type"], answer["command"], answer["request_seq"], answer["success"]) == ("response", command, sequence, True)

    deadline = Deadline(30)
    events = []
    while "initialized" not in events:
        message = next_message(client, "iopub", deadline, lambda: f"the event `initialized`, had {events}")
        if message["msg_type"] == "debug_event":
            events.append(message["content"]["event"])


def test_a_subshell_runs_while_the_main_shell_is_busy(connect, group):
    client = connect(group=group)
    created = request(client, "create_subshell_request", channel="control")["content"]
    assert created["status"] == "ok", created
    assert execute(client, "import threading; free = threading.Event()").status == "ok"

    # The main shell waits for what only the subshell can do: no luck with timing can make this pass.
    main_id = client.execute("print(free.wait(30))")
    content = {"code": "free.set(); print('set')", "silent": False, "store_history": False, "user_expressions": {}}
    message = client.session.msg("execute_request", content | {"allow_stdin": False, "stop_on_error": True})
    message["header"]["subshell_id"] = created["subshell_id"]
    client.shell_channel.send(message)

    sub_id = message["header"]["msg_id"]
    outputs, replied = collect_both(client, {main_id, sub_id})
    assert outputs == {main_id: "True\n", sub_id: "set\n"}
    assert replied == {main_id: "ok", sub_id: "ok"}

    listed = request(client, "list_subshell_request", channel="control")["content"]
    assert listed["subshell_id"] == [created["subshell_id"]]
    deleted = request(client, "delete_subshell_request", {"subshell_id": created["subshell_id"]}, channel="control")
    assert deleted["content"]["status"] == "ok"


def collect_both(client, msg_ids):
    """Streams and reply states of several requests whose messages are interleaved."""
    deadline = Deadline(60)
    outputs, replied, running = dict.fromkeys(msg_ids, ""), {}, set(msg_ids)
    while running:
        message = next_message(client, "iopub", deadline, lambda: f"idle of {running}")
        parent = message["parent_header"].get("msg_id")
        if parent in msg_ids and message["msg_type"] == "stream":
            outputs[parent] += message["content"]["text"]
        if message["content"].get("execution_state") == "idle":
            running.discard(parent)
    while len(replied) < len(msg_ids):
        reply = next_message(client, "shell", deadline, lambda: "both replies")
        replied[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
    return outputs, replied


def test_comm_info_names_open_comms(connect, group):
    client = connect(group=group)
    execute(client, ECHO_TARGET)
    comm_id = uuid.uuid4().hex
    send_comm(client, "comm_open", {"comm_id": comm_id, "data": {}, "target_name": "echo"}, [])
    comms = reply_to(client, client.comm_info())["content"]["comms"]
    assert comms == {comm_id: {"target_name": "echo"}}
    assert finish(client, client.execute("1")).status == "ok"
