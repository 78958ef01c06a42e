"""A client that comes back with its session id finds its kernel."""

import uuid

from harness.clients import execute


def test_a_client_that_died_finds_its_kernel_again(connect_process, group):
    session = uuid.uuid4().hex
    first = connect_process(session=session, group=group)
    first.ready()
    assert first.execute("treasure = 'buried'")["status"] == "ok"
    process_id = first.execute("import os; os.getpid()")["result"]
    first.die()

    second = connect_process(session=session, group=group)
    assert second.ready() == session
    assert second.execute("treasure")["result"] == "'buried'"
    assert second.execute("os.getpid()")["result"] == process_id
    assert second.execute("print('heard again')")["stdout"] == "heard again\n"


def test_a_client_that_died_in_the_middle_of_a_cell_finds_its_kernel_again(connect_process, group):
    session = uuid.uuid4().hex
    first = connect_process(session=session, group=group)
    first.ready()
    assert first.execute("import threading; free = threading.Event()")["status"] == "ok"
    first.command("send_only", code="free.wait(1.5); finished = 'while nobody listened'")
    first.die()

    second = connect_process(session=session, group=group)
    second.ready()
    assert second.execute("finished")["result"] == "'while nobody listened'"


def test_the_binding_holds_without_repeating_the_needs(connect, group, fleet):
    """The first request decided; later messages of the session need no metadata."""
    client = connect(group=group)
    assert execute(client, "x = 5").status == "ok"
    client.session.metadata = {}
    assert execute(client, "x").result == "5"
