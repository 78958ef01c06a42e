"""A host whose kernel is `attach`: what it runs, prints, asks, interrupts and restarts, as with any kernel."""

import re
import signal

import pytest
import zmq
from jupyter_client.session import Session

from harness.clients import execute, finish, next_message, reply_to, request
from harness.deadline import Deadline, wait_until


def test_a_cell_runs_and_its_output_comes_in_order(host):
    client = host.client()
    code = "import sys\nfor n in range(200):\n    print(n, flush=True)\n    print(-n, file=sys.stderr, flush=True)\n6 * 7"
    done = execute(client, code)
    assert (done.status, done.result) == ("ok", "42")
    assert done.stream() == "".join(f"{n}\n" for n in range(200))
    assert done.stream("stderr") == "".join(f"{-n}\n" for n in range(200))


def test_an_error_is_the_kernels_own(host):
    done = execute(host.client(), "1 / 0")
    assert (done.status, done.error["ename"]) == ("error", "ZeroDivisionError")


def test_input_is_asked_of_the_client_whose_cell_asks(host):
    asker, other = host.client(), host.client()
    msg_id = asker.execute("print('got', input('name? '))")
    prompt = next_message(asker, "stdin", Deadline(30), lambda: "a prompt")
    assert prompt["content"]["prompt"] == "name? "
    assert prompt["parent_header"]["msg_id"] == msg_id
    assert not other.stdin_channel.socket.poll(0)
    asker.input("me")
    assert finish(asker, msg_id).stream() == "got me\n"


def test_two_clients_of_one_host_have_one_kernel(host):
    one, two = host.client(), host.client()
    assert execute(one, "x = 1\nimport os; os.getpid()").result == execute(two, "os.getpid()").result
    assert execute(two, "x").result == "1"
    # Each heard what the other did, as with any kernel.
    msg_id = one.execute("print('for both')")
    heard = next_stream(two)
    assert (heard["content"]["text"], heard["parent_header"]["msg_id"]) == ("for both\n", msg_id)
    assert finish(one, msg_id).status == "ok"


def test_a_host_hears_nothing_of_another_kernel(host, fleet, group, host_of):
    other = host_of(fleet.home, "--runtime", "python3", "--group", f"{group}-other").client()
    client = host.client()
    assert execute(other, "print('secret')").stream() == "secret\n"
    msg_id = client.execute("print('mine')")
    sessions = set()
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: "my own output")
        sessions.add(message["parent_header"].get("session"))
        if message["msg_type"] == "stream" and message["parent_header"]["msg_id"] == msg_id:
            break
    assert other.session.session not in sessions


def test_an_interrupt_by_message_reaches_the_cell(host):
    client = host.client()
    interrupted(client, host.manager.interrupt_kernel)


def test_sigint_interrupts_the_cell(fleet, group, host_of):
    host = host_of(fleet.home, "--runtime", "python3", "--group", group, interrupt_mode="signal")
    client = host.client()
    interrupted(client, lambda: host.process.send_signal(signal.SIGINT))
    assert host.process.poll() is None


def test_a_restart_gives_a_new_process_of_the_same_kernel(host, fleet, group):
    client = host.client()
    pid = execute(client, "x = 1\nimport os; os.getpid()").result
    before = kernels_of(fleet, group)
    attach = host.process.pid
    host.manager.restart_kernel()
    client.wait_for_ready(timeout=60)
    assert host.process.pid != attach
    assert execute(client, "'x' in globals()").result == "False"
    assert execute(client, "import os; os.getpid()").result != pid
    assert kernels_of(fleet, group) == before and len(before) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_host_that_kills_attach_and_lives_on_begins_anew(host, fleet, group, how):
    """As `restart_kernel(now=True)`, and VS Code's Restart, do it."""
    client = host.client()
    execute(client, "x = 'kept'")
    before = kernels_of(fleet, group)
    host.process.send_signal(how)
    host.process.wait()
    host.start()
    client.wait_for_ready(timeout=60)
    assert execute(client, "'x' in globals()").result == "False"
    wait_until(lambda: len(kernels_of(fleet, group)) == 1, 20, "the first kernel to be gone")
    assert kernels_of(fleet, group) != before


def test_a_cell_that_loops_ends_with_attach(host, fleet, group):
    client = host.client()
    client.execute("print('runs', flush=True)\nwhile True: pass")
    next_stream(client)
    host.kill()
    wait_until(lambda: not kernels_of(fleet, group), 20, "the kernel to be gone")


def test_killing_attach_leaves_a_kernel_that_others_use(host, fleet, group, connect):
    client, other = host.client(), connect(runtime="python3", group=group)
    pid = execute(client, "x = 'kept'\nimport os; os.getpid()").result
    assert execute(other, "x").result == "'kept'"
    host.kill()
    host.start()
    client.wait_for_ready(timeout=60)
    assert execute(client, "x, str(os.getpid())").result == str(("kept", pid))
    assert execute(other, "x").result == "'kept'"


def test_shutdown_ends_attach_and_its_kernel(host, fleet, group):
    client = host.client()
    execute(client, "1")
    assert request(client, "shutdown_request", {"restart": False}, channel="control")["content"]["status"] == "ok"
    assert host.wait() == 0
    # The fleet answers before the kernel's process is gone.
    wait_until(lambda: not kernels_of(fleet, group), 10, "the kernel to be stopped")


def test_connect_reply_names_the_hosts_own_ports(host):
    client = host.client()
    ports = request(client, "connect_request")["content"]
    assert {name: ports[name] for name in ("shell_port", "iopub_port", "stdin_port")} == {
        name: getattr(client, name) for name in ("shell_port", "iopub_port", "stdin_port")
    }


def test_comm_messages_and_buffers_pass_untouched(host):
    client = host.client()
    execute(client, "from comm import create_comm, get_comm_manager\n"
            "def opened(comm, message):\n"
            "    comm.on_msg(lambda m: comm.send({'n': len(m['buffers'])}, buffers=[bytes(b)[::-1] for b in m['buffers']]))\n"
            "get_comm_manager().register_target('echo', opened)")
    comm_id = "c1"
    session = client.session
    client.shell_channel.send(session.msg("comm_open", {"comm_id": comm_id, "target_name": "echo", "data": {}}))
    message = session.msg("comm_msg", {"comm_id": comm_id, "data": {}})
    session.send(client.shell_channel.socket, message, buffers=[b"\x00\x01\xff", b"abc" * 100_000])
    deadline = Deadline(30)
    while True:
        answer = next_message(client, "iopub", deadline, lambda: "the comm's answer")
        if answer["msg_type"] == "comm_msg":
            break
    assert [bytes(buffer) for buffer in answer["buffers"]] == [b"\xff\x01\x00", (b"abc" * 100_000)[::-1]]
    assert answer["content"]["data"] == {"n": 2}


def test_a_subscriber_that_does_not_read_is_told_what_it_lost_and_slows_nobody(host):
    client, cells, megabytes = host.client(), 20, 10
    session = Session(key=client.session.key)
    slow = zmq.Context.instance().socket(zmq.SUB)
    try:
        slow.setsockopt(zmq.RCVHWM, 1)
        slow.setsockopt(zmq.RCVBUF, 1 << 16)
        slow.subscribe(b"")
        slow.connect(f"tcp://{client.ip}:{client.iopub_port}")
        # It is told the kernel's state as well, as every subscriber of a fleet is.
        assert [heard_by(slow, session)["msg_type"] for _ in range(2)] == ["iopub_welcome", "status"]
        code = f"from IPython.display import display\nfor _ in range({megabytes}): display({{'text/plain': 'x' * 2**20}}, raw=True)"
        msg_ids = []
        # No cell prints more than an outbox holds: who reads between them is never too slow, on however slow a machine.
        for _ in range(cells):
            msg_ids.append(client.execute(code))
            done = finish(client, msg_ids[-1], 60)
            assert len(done.of_type("display_data")) == megabytes
        kinds, lost = [], 0
        while kinds.count("idle") < cells:
            message = heard_by(slow, session)
            if message["msg_type"] == "stream":
                lost += int(re.search(r"(\d+) messages were lost", message["content"]["text"])[1])
                assert message["parent_header"]["msg_id"] in msg_ids
            kinds.append(message["content"].get("execution_state", message["msg_type"]))
        # Each cell's input is published as well, and may be among what is lost.
        assert kinds.count("display_data") + kinds.count("execute_input") + lost == cells * (megabytes + 1)
        assert lost > 0
    finally:
        slow.close(linger=0)


def heard_by(socket, session):
    assert socket.poll(30_000), "nothing more on iopub"
    _topics, parts = session.feed_identities(socket.recv_multipart())
    return session.deserialize(parts)


def interrupted(client, interrupt):
    msg_id = client.execute("import time\nprint('runs', flush=True)\ntime.sleep(60)")
    next_stream(client)
    interrupt()
    done = reply_to(client, msg_id, 20)
    assert (done["content"]["status"], done["content"]["ename"]) == ("error", "KeyboardInterrupt")


def next_stream(client):
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: "a stream")
        if message["msg_type"] == "stream":
            return message


def kernels_of(fleet, group):
    """The ids of the fleet's living kernels in this group."""
    return [kernel["id"] for kernel in fleet.answer("list") if kernel.get("group") == group]
