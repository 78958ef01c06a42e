"""BlockingKernelClient: every request of the messaging protocol, and heartbeats."""

from harness.clients import execute, finish, plain, reply_to, request
from harness.deadline import wait_until


def test_execute_brings_streams_result_and_reply(connect, group):
    client = connect(group=group)
    done = execute(client, "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)\n6 * 7")
    assert done.status == "ok"
    assert done.stream() == "to stdout\n"
    assert done.stream("stderr") == "to stderr\n"
    assert done.result == "42"
    assert done.error is None
    assert done.of_type("execute_input")[0]["code"].endswith("6 * 7")


def test_error_arrives_in_the_reply_and_on_iopub(connect, group):
    done = execute(connect(group=group), "1 / 0")
    assert done.status == "error"
    assert done.reply["content"]["ename"] == "ZeroDivisionError"
    assert done.error["ename"] == "ZeroDivisionError"
    assert "1 / 0" in plain("\n".join(done.error["traceback"]))


def test_state_stays_between_requests(connect, group):
    client = connect(group=group)
    assert execute(client, "x = 5").status == "ok"
    assert execute(client, "x + 1").result == "6"


def test_silent_and_user_expressions(connect, group):
    client = connect(group=group)
    done = execute(client, "y = 2", silent=True, user_expressions={"twice": "y * 2"})
    assert done.of_type("execute_input") == []
    assert done.reply["content"]["user_expressions"]["twice"]["data"]["text/plain"] == "4"


def test_complete(connect, group):
    client = connect(group=group)
    execute(client, "remarkable_name = 1")
    content = reply_to(client, client.complete("remarkable_na"))["content"]
    assert content["status"] == "ok"
    assert "remarkable_name" in content["matches"]
    assert (content["cursor_start"], content["cursor_end"]) == (0, 13)


def test_inspect(connect, group):
    client = connect(group=group)
    content = reply_to(client, client.inspect("len"))["content"]
    assert content["found"] is True
    assert "Return the number of items" in content["data"]["text/plain"]


def test_is_complete(connect, group):
    client = connect(group=group)
    answers = {code: reply_to(client, client.is_complete(code))["content"]["status"] for code in ("1", "for i in x:", "1 1")}
    assert answers == {"1": "complete", "for i in x:": "incomplete", "1 1": "invalid"}


def test_history(connect, group):
    client = connect(group=group)
    execute(client, "first = 1")
    execute(client, "second = 2")
    history = reply_to(client, client.history(raw=True, output=False, hist_access_type="tail", n=2))["content"]["history"]
    assert [entry[2] for entry in history] == ["first = 1", "second = 2"]


def test_kernel_info_is_the_kernels_own(connect, group):
    client = connect(group=group)
    content = reply_to(client, client.kernel_info())["content"]
    assert content["status"] == "ok"
    assert content["implementation"] == "ipython"
    assert content["language_info"]["name"] == "python"


def test_comm_info(connect, group):
    client = connect(group=group)
    assert reply_to(client, client.comm_info())["content"] == {"status": "ok", "comms": {}}


def test_kernel_info_on_control(connect, group):
    client = connect(group=group)
    assert request(client, "kernel_info_request", channel="control")["content"]["implementation"] == "ipython"


def test_requests_in_a_row_are_answered_in_order(connect, group):
    client = connect(group=group)
    msg_ids = [client.execute(f"print({number})") for number in range(50)]
    for number, msg_id in enumerate(msg_ids):
        assert finish(client, msg_id).stream() == f"{number}\n"


def test_heartbeat_beats_while_the_kernel_is_busy(connect, group):
    client = connect(group=group)
    assert client.is_alive()
    # Two of the channel's own one-second periods inside one cell.
    msg_id = client.execute("import time; time.sleep(2.5)")
    beats = []
    wait_until(lambda: beats.append(client.hb_channel.is_beating()) or client.shell_channel.socket.poll(0), 20, "the reply")
    assert all(beats)
    assert finish(client, msg_id).status == "ok"
    assert client.is_alive()
