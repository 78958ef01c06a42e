"""What goes beside the turns: comms of who has nothing waiting, completions, and cells of a subshell."""

import uuid

import pytest

from harness.clients import execute, finish, next_message, reply_to, request
from harness.deadline import Deadline
from harness.gate import Gate

pytestmark = pytest.mark.proxy_only

NOTES = """
notes = []
def opened(comm, message):
    comm.on_msg(lambda message: notes.append('comm'))
get_ipython().kernel.comm_manager.register_target('notes', opened)"""


def sent(client, code, **header):
    """Sends a cell, and returns when the fleet has it: it answers this in the order of the channel."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
    message = client.session.msg("execute_request", content)
    message["header"].update(header)
    client.shell_channel.send(message)
    request(client, "connect_request")
    return message["header"]["msg_id"]


def send_comm(client, msg_type, comm_id, **content):
    client.shell_channel.send(client.session.msg(msg_type, {"comm_id": comm_id, "data": {}, **content}))


def test_a_widget_moves_while_anothers_cells_wait(crowd, fleet):
    busy, other = crowd(2)
    assert execute(other, NOTES).status == "ok"
    comm = uuid.uuid4().hex
    send_comm(other, "comm_open", comm, target_name="notes")
    gate = Gate(fleet.home, f"comms-{comm}")
    cells = [sent(busy, gate.cell("notes.append(0)"))] + [sent(busy, f"notes.append({number})") for number in range(1, 6)]
    send_comm(other, "comm_msg", comm)
    request(other, "connect_request")
    gate.open()
    assert all(reply_to(busy, cell)["content"]["status"] == "ok" for cell in cells)
    done = execute(other, "notes").result
    assert done in ("[0, 'comm', 1, 2, 3, 4, 5]", "[0, 1, 'comm', 2, 3, 4, 5]"), "it waits for the cell that runs at most"


def test_a_comms_message_behind_a_waiting_cell_stays_behind_it(crowd, fleet):
    busy, other = crowd(2)
    assert execute(other, NOTES).status == "ok"
    comm = uuid.uuid4().hex
    send_comm(other, "comm_open", comm, target_name="notes")
    gate = Gate(fleet.home, f"behind-{comm}")
    running = sent(busy, gate.cell("notes.append('theirs')"))
    own = sent(other, "notes.append('own')")
    send_comm(other, "comm_msg", comm)
    request(other, "connect_request")
    gate.open()
    assert [reply_to(client, cell)["content"]["status"] for client, cell in ((busy, running), (other, own))] == ["ok", "ok"]
    assert execute(other, "notes").result == "['theirs', 'own', 'comm']"


def test_a_subshell_runs_beside_the_main_shell_and_has_turns_of_its_own(crowd, fleet):
    busy, one, two = crowd(3)
    assert execute(one, "ran = []").status == execute(two, "1").status == "ok"
    shell = request(one, "create_subshell_request", channel="control")["content"]["subshell_id"]
    gate, beside = Gate(fleet.home, f"main-{shell}"), Gate(fleet.home, f"beside-{shell}")
    main = sent(busy, gate.cell("ran.append('main')"))
    cells = [(one, sent(one, beside.cell("ran.append('one')"), subshell_id=shell))]
    cells += [(two, sent(two, "ran.append('two')", subshell_id=shell)), (one, sent(one, "ran.append('three')", subshell_id=shell))]
    deadline, begun = Deadline(20), set()
    while begun != {main, cells[0][1]}:
        message = next_message(one, "iopub", deadline, lambda: f"both to run; {begun} do")
        if message["msg_type"] == "stream" and message["content"]["text"] == "runs\n":
            begun.add(message["parent_header"]["msg_id"])
    beside.open()
    for client, cell in cells:
        assert reply_to(client, cell)["content"]["status"] == "ok"
    gate.open()
    assert reply_to(busy, main)["content"]["status"] == "ok"
    assert finish(one, one.execute("ran")).result == "['one', 'two', 'three', 'main']"


@pytest.mark.parametrize("count", [2, 8])
def test_each_clients_order_is_kept_among_many(crowd, count):
    clients = crowd(count)
    assert execute(clients[0], "ran = []").status == "ok"
    cells = [[client.execute(f"ran.append(({number}, {turn}))") for turn in range(6)] for number, client in enumerate(clients)]
    for client, own in zip(clients, cells):
        assert all(reply_to(client, cell)["content"]["status"] == "ok" for cell in own)
    ran = eval(execute(clients[0], "ran").result)
    assert len(ran) == len(set(ran)) == 6 * count
    for number in range(count):
        assert [turn for client, turn in ran if client == number] == list(range(6))
