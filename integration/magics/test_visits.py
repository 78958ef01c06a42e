"""`%%fleet`, or a cell's own metadata: this one cell runs on another kernel, and the binding stays."""

import os
import signal

import pytest

from harness.clients import detach, execute, finish, is_status, kinds, messages_of, next_message, reply_to
from harness.deadline import Deadline, wait_until
from harness.kernel_files import kernels
from harness.magics import ask, own_kernel, run, send, wait_for_start

LANGUAGES = {
    "python3": ("print('from', 'python')", "from python"),
    "lua": ("print('from lua')", "from lua"),
    "bash": ("echo from bash", "from bash"),
}
BY = ["%%fleet", "metadata"]


def visit(client, by, code, **wishes):
    """Sends a cell elsewhere, one way or the other; returns its id."""
    if by == "metadata":
        return send(client, code, {"fleet": wishes})
    return send(client, f"%%fleet {' '.join(f'{key}={value}' for key, value in wishes.items())}\n{code}")


def away(client, by, code, **wishes):
    return finish(client, visit(client, by, code, **wishes))


def at_input(client):
    """The next question to the client."""
    return next_message(client, "stdin", Deadline(30), lambda: "a prompt")


def rest_of(client, msg_id):
    """What is still to come on iopub for a cell that has begun, through its idle."""
    messages, deadline = [], Deadline(30)
    while not (messages and is_status(messages[-1], "idle")):
        message = next_message(client, "iopub", deadline, lambda: f"idle, had {kinds(messages)}")
        if message["parent_header"].get("msg_id") == msg_id:
            messages.append(message)
    return messages


@pytest.mark.parametrize("by", BY)
def test_one_cell_runs_elsewhere_and_the_binding_stays(at_home, by):
    client = at_home()
    kernel = own_kernel(client)
    for runtime, (code, output) in LANGUAGES.items():
        done = away(client, by, code, runtime=runtime)
        assert (done.status, done.stream().strip()) == ("ok", output)
        assert kinds(done.messages)[0] == "busy" and kinds(done.messages)[-1] == "idle"
        assert run(client, "print(home)").stream() == "here\n"
    assert own_kernel(client) == kernel


@pytest.mark.parametrize("by", BY)
def test_the_next_such_cell_finds_what_the_first_left(at_home, by):
    client = at_home()
    away(client, by, "left = 'behind'", runtime="python3")
    assert run(client, "print(left)").stream() == "nil\n"
    assert away(client, by, "left", runtime="python3").result == "'behind'"


def test_both_ways_lead_to_the_same_kernel(at_home):
    client = at_home()
    away(client, "%%fleet", "left = 'behind'", runtime="python3")
    assert away(client, "metadata", "left", runtime="python3").result == "'behind'"
    assert run(client, '%%fleet {"language": "python"}\nleft').result == "'behind'"
    assert run(client, "%%fleet python3\nleft").result == "'behind'"


def test_standing_metadata_stays_what_it_was(at_home, group):
    """A console says on each message what it wants; a cell's own metadata is for that cell alone."""
    client = at_home()
    assert client.session.metadata == {"fleet": {"runtime": "lua", "group": group}}
    away(client, "metadata", "x = 1", runtime="python3")
    assert execute(client, "print(home)").stream() == "here\n"
    assert reply_to(client, client.kernel_info())["content"]["language_info"]["name"] == "lua"
    ask(client, "%fleet use python3")
    assert execute(client, "import sys; sys.implementation.name").result == "'cpython'", "a move outlives them"
    assert execute(client, "x").result == "1", "what it visited before is what it has now"


def test_a_visit_shares_the_kernel_of_its_group(at_home, connect, group):
    client = at_home()
    other = connect(runtime="python3", group=group)
    execute(other, "shared = 'by all'")
    assert run(client, "%%fleet python3\nshared").result == "'by all'"
    assert "NameError" in run(client, f"%%fleet python3 group={group}-x\nshared").error["ename"]


def test_the_visitor_hears_its_own_and_the_others_hear_it_once(at_home, connect_process, group):
    host = connect_process(runtime="python3", group=group)
    host.ready()
    visitor = connect_process(runtime="lua", group=group)
    session = visitor.ready()
    assert visitor.execute("print('at home')")["stdout"] == "at home\n"
    assert visitor.execute("%%fleet python3\nprint('guest', 1)")["stdout"] == "guest 1\n"
    assert host.execute("print('host', 1)")["stdout"] == "host 1\n"
    assert visitor.execute("%%fleet python3\nprint('guest', 2)")["stdout"] == "guest 2\n"
    assert host.execute("print('host', 2)")["stdout"] == "host 2\n"
    assert visitor.execute("print('at home again')")["stdout"] == "at home again\n"

    by_host, by_visitor = host.everything_heard(), visitor.everything_heard()
    count = lambda heard, text: sum(text in message and '"stream"' in message for message in heard)  # noqa: E731
    assert [count(by_visitor, f"guest {n}\\n") for n in (1, 2)] == [1, 1]
    assert [count(by_host, f"guest {n}\\n") for n in (1, 2)] == [1, 1], "as any client of a kernel hears another"
    assert [count(by_host, f"host {n}\\n") for n in (1, 2)] == [1, 1]
    assert [message for message in by_visitor if "host " in message] == []
    assert [message for message in by_host if "at home" in message] == []
    assert sum('"busy"' in message and session in message for message in by_host) == 2


def test_two_clients_of_one_process_hear_a_visit_once_each(at_home, connect, group):
    """Their sockets hear what both may hear; nothing comes twice."""
    host = connect(runtime="python3", group=group)
    execute(host, "x = 1")
    visitor = at_home()
    done = run(visitor, "%%fleet python3\nprint('guest')")
    assert kinds(done.messages) == ["busy", "execute_input", "stream", "idle"]
    msg_id = done.reply["parent_header"]["msg_id"]
    assert kinds(messages_of(host, msg_id)) == ["busy", "execute_input", "stream", "idle"]


def test_an_error_there_is_an_error_here(at_home):
    client = at_home()
    done = run(client, "%%fleet python3\n1 / 0")
    assert (done.status, done.error["ename"]) == ("error", "ZeroDivisionError")
    assert done.reply["content"]["ename"] == "ZeroDivisionError"


def test_a_question_is_answered_there(at_home):
    client = at_home()
    msg_id = send(client, "%%fleet python3\nprint('got', input('? '))")
    assert at_input(client)["parent_header"]["msg_id"] == msg_id
    client.input("an answer")
    assert finish(client, msg_id).stream() == "got an answer\n"


def test_a_question_at_home_after_a_visit_is_answered_at_home(at_home):
    client = at_home("python3")
    run(client, "%%fleet lua\nx = 1")
    msg_id = client.execute("print('got', input('? '))")
    at_input(client)
    client.input("an answer")
    assert finish(client, msg_id).stream() == "got an answer\n"


def test_an_interrupt_reaches_the_kernel_whose_cell_runs_and_no_other(at_home, connect_process, group):
    client = at_home("python3")
    neighbour = connect_process(runtime="python3", group=group)
    neighbour.ready()
    msg_id = send(client, "%%fleet lua\nprint('started') while true do end")
    wait_for_start(client)
    runs = neighbour.command("send_only", code="import time\nfor _ in range(20): time.sleep(.1)\nprint('to the end')")
    assert runs
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    assert reply_to(client, msg_id)["content"]["status"] == "error"
    assert neighbour.execute("print('undisturbed')")["stdout"] == "undisturbed\n"
    assert any("to the end" in message and '"stream"' in message for message in neighbour.everything_heard())
    assert execute(client, "home").result == "'here'"
    assert run(client, "%%fleet lua\nprint('again')").stream() == "again\n"


def test_an_interrupt_at_home_is_for_home(at_home):
    client = at_home("python3")
    run(client, "%%fleet lua\nkept = 'kept'")
    msg_id = client.execute("print('started', flush=True)\nwhile True: pass")
    wait_for_start(client)
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    assert reply_to(client, msg_id)["content"]["ename"] == "KeyboardInterrupt"
    assert run(client, "%%fleet lua\nprint(kept)").stream() == "kept\n"


def test_a_kernel_that_dies_during_a_visit_is_an_error_in_the_cell(at_home):
    client = at_home()
    pid = int(run(client, "%%fleet python3\nimport os; os.getpid()").result)
    msg_id = send(client, "%%fleet python3\nimport time; print('started', flush=True); time.sleep(60)")
    wait_for_start(client)
    os.kill(pid, signal.SIGKILL)
    reply = reply_to(client, msg_id)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "KernelDied")
    assert "SIGKILL" in reply["evalue"]
    assert [kind for kind in kinds(rest_of(client, msg_id)) if kind != "busy"] == ["error", "idle"]
    assert run(client, "print(home)").stream() == "here\n", "home is where it was"
    assert run(client, "%%fleet python3\n1 + 1").result == "2", "and the other comes back"


@pytest.mark.parametrize("by", BY)
def test_wishes_that_nothing_meets_are_an_error_in_the_cell(at_home, by):
    client = at_home()
    kernel = own_kernel(client)
    done = away(client, by, "x = 1", runtime="nope")
    assert (done.status, done.error["ename"]) == ("error", "NoMatchingKernel")
    assert "nope" in done.error["evalue"] and "python3" in done.error["evalue"]
    assert own_kernel(client) == kernel
    assert run(client, "print(home)").stream() == "here\n"


def test_metadata_that_cannot_be_understood_is_an_error_in_the_cell(at_home):
    client = at_home()
    done = run(client, "x = 1", {"fleet": {"runtmie": "lua"}})
    assert done.status == "error" and "runtmie" in done.error["evalue"]
    assert run(client, "print(home)").stream() == "here\n"


def test_a_first_cell_may_be_a_visit(connect, group):
    """Who has no kernel yet: the cell runs where it wants, the next where the client belongs."""
    client = connect(ready=False, group=group)
    assert run(client, "%%fleet lua\nprint(_VERSION)").stream().startswith("Lua 5")
    assert execute(client, "import sys; sys.implementation.name").result == "'cpython'"


def test_a_visited_kernel_ends_with_its_last_visitor(own_fleet, connect_own):
    client = connect_own(runtime="lua", group="g")
    run(client, "x = 1")
    run(client, "%%fleet bash\necho hi")
    assert len(kernels(own_fleet)) == 2
    detach(client)
    wait_until(lambda: not kernels(own_fleet), 20, lambda: f"no kernel to be left, but {kernels(own_fleet)}")


def test_a_visitor_keeps_the_kernel_alive_that_its_own_clients_leave(own_fleet, connect_own):
    host, visitor = connect_own(runtime="python3", group="g"), connect_own(runtime="lua", group="g")
    execute(host, "x = 1")
    assert run(visitor, "%%fleet python3\nx").result == "1"
    detach(host)
    assert run(visitor, "%%fleet python3\nx").result == "1"


def test_isolated_wishes_lead_to_a_kernel_of_the_visitors_own(at_home, connect, group):
    client = at_home()
    other = connect(runtime="python3", group=group)
    execute(other, "x = 'shared'")
    run(client, "%%fleet python3 isolated\nx = 'mine'")
    assert run(client, "%%fleet python3 isolated\nx").result == "'mine'"
    assert execute(other, "x").result == "'shared'"


def test_a_kernel_may_be_visited_by_its_id(at_home, connect, group):
    client = at_home()
    other = connect(runtime="python3", group=f"{group}-other")
    execute(other, "x = 'over there'")
    assert run(client, f"%%fleet kernel={own_kernel(other)}\nx").result == "'over there'"


def test_a_restart_there_is_an_error_in_the_visitors_cell(at_home, connect_process, group):
    client = at_home()
    host = connect_process(runtime="python3", group=group)
    host.ready()
    host.execute("x = 1")
    msg_id = send(client, "%%fleet python3\nimport time; print('started', flush=True); time.sleep(60)")
    wait_for_start(client)
    assert host.command("restart", username="berta")["status"] == "ok"
    reply = reply_to(client, msg_id)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "KernelRestarted")
    assert "berta" in reply["evalue"] + str([message["content"] for message in rest_of(client, msg_id)])
    assert run(client, "%%fleet python3\n'x' in globals()").result == "False"
    assert run(client, "print(home)").stream() == "here\n"


def test_a_widget_of_a_visited_kernel_answers_from_there(at_home):
    client = at_home()
    code = "import ipywidgets; s = ipywidgets.IntSlider(3); s.observe(lambda change: print('now', change.new), 'value'); s"
    data = run(client, f"%%fleet python3\n{code}").of_type("execute_result")[0]["data"]
    model = data["application/vnd.jupyter.widget-view+json"]["model_id"]
    update = {"method": "update", "state": {"value": 8}, "buffer_paths": []}
    message = client.session.msg("comm_msg", {"comm_id": model, "data": update})
    client.shell_channel.send(message)
    messages_of(client, message["header"]["msg_id"])
    assert run(client, "%%fleet python3\ns.value").result == "8"
    assert run(client, "print(home)").stream() == "here\n"


def test_a_cell_without_code_is_no_error(at_home):
    done = run(at_home(), "%%fleet python3")
    assert (done.status, done.error) == ("ok", None)


def test_a_silent_visit_is_silent(at_home):
    client = at_home()
    done = run(client, "%%fleet python3\n6 * 7", silent=True, store_history=False)
    assert (done.status, done.result) == ("ok", None)


def test_metadata_of_the_first_cell_binds_and_a_move_outlives_it(connect, group):
    """Who has moved since, and runs the first cell again, gets what that cell says."""
    client = connect(ready=False)
    lua = {"fleet": {"runtime": "lua", "group": group}}
    assert run(client, "print(_VERSION)", lua).stream().startswith("Lua 5")
    ask(client, f"%fleet use python3 group={group}")
    assert execute(client, "1 + 1").result == "2"
    assert run(client, "print(_VERSION)", lua).stream().startswith("Lua 5")
