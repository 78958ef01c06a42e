"""Prompts: each client answers its own, although both wait on one kernel."""

import pytest

from harness.clients import execute, finish, is_status, messages_of, next_message
from harness.deadline import Deadline

SILENCE_SECONDS = 0.5


def prompt_of(client):
    """The next input_request of `client`."""
    return next_message(client, "stdin", Deadline(30), lambda: "a prompt")


@pytest.mark.parametrize("function, hidden", [("input", False), ("__import__('getpass').getpass", True)])
def test_each_client_answers_its_own_prompt(connect, group, function, hidden):
    first = connect(group=group, runtime="python3")
    second = connect(group=group, runtime="python3")
    assert execute(first, "import os; os.getpid()").result == execute(second, "import os; os.getpid()").result

    first_id = first.execute(f"print('first got', {function}('first? '))")
    prompt = prompt_of(first)
    assert prompt["content"] == {"prompt": "first? ", "password": hidden}
    assert prompt["parent_header"]["msg_id"] == first_id

    # The kernel runs one cell after the other, so the second prompt comes only after the first answer.
    second_id = second.execute(f"print('second got', {function}('second? '))")
    assert not second.stdin_channel.socket.poll(SILENCE_SECONDS * 1000), "the second client heard the first one's prompt"
    first.input("one")
    prompt = prompt_of(second)
    assert prompt["content"] == {"prompt": "second? ", "password": hidden}
    assert prompt["parent_header"]["msg_id"] == second_id
    second.input("two")

    assert finish(first, first_id).stream() == "first got one\n"
    assert finish(second, second_id).stream() == "second got two\n"
    assert not first.stdin_channel.socket.poll(SILENCE_SECONDS * 1000)
    assert not second.stdin_channel.socket.poll(0)


@pytest.mark.proxy_only
def test_an_answer_of_another_client_does_not_answer_my_prompt(connect, group):
    asker = connect(group=group, runtime="python3")
    meddler = connect(group=group, runtime="python3")
    execute(meddler, "1")
    msg_id = asker.execute("print('got', input('? '))")
    prompt_of(asker)
    meddler.input("not yours to say")
    # A round trip on the meddler's control channel: the proxy has read its stdin by then, or reads it after the answer.
    meddler.control_channel.send(meddler.session.msg("kernel_info_request", {}))
    next_message(meddler, "control", Deadline(30), lambda: "kernel_info_reply")
    asker.input("mine")
    assert finish(asker, msg_id).stream() == "got mine\n"


def test_input_without_stdin_is_an_error_not_a_hang(connect, group):
    client = connect(group=group)
    done = execute(client, "input('? ')", allow_stdin=False)
    assert done.error["ename"] == "StdinNotImplementedError"


def test_a_prompt_can_be_interrupted(connect, group):
    client = connect(group=group)
    msg_id = client.execute("input('? ')")
    prompt_of(client)
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    messages = messages_of(client, msg_id)
    assert is_status(messages[-1], "idle")
    assert [message["content"]["ename"] for message in messages if message["msg_type"] == "error"] == ["KeyboardInterrupt"]
