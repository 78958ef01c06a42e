"""People see who shares their kernel, whose cell runs and who waits: by names, in the page of `%fleet` and in `clients`."""

import getpass
import os
import signal

import pytest

from harness.clients import execute, next_message, reply_to, request
from harness.deadline import Deadline
from harness.gate import Gate
from harness.magics import ask, own_kernel, post, written

pytestmark = pytest.mark.proxy_only


def named(client, name):
    client.session.username = name
    return client


def rows(page, *names):
    """What the page says of each of them, in its order."""
    lines = [line for line in page.splitlines() if line.startswith(names)]
    return [(line.split()[0], line) for line in lines]


def send_and_see_received(client, code):
    cell = client.execute(code)
    request(client, "connect_request")
    return cell


@pytest.fixture
def busy_kernel(crowd, fleet):
    """alice's cell runs, and bob's and carla's wait, in this order."""
    alice, bob, carla, idle = [named(client, name) for client, name in zip(crowd(4), ("alice", "bob", "carla", "dave"))]
    kernel = own_kernel(alice)
    for each in (bob, carla, idle):
        assert execute(each, "1").status == "ok"
    gate = Gate(fleet.home, f"names-{kernel}")
    cells = [(alice, send_and_see_received(alice, gate.cell()))]
    cells += [(bob, send_and_see_received(bob, "1")), (bob, send_and_see_received(bob, "2"))]
    cells.append((carla, send_and_see_received(carla, "3")))
    yield kernel, idle, cells
    gate.open()
    for client, cell in cells:
        assert reply_to(client, cell)["content"]["status"] == "ok"


def test_the_page_says_who_runs_and_who_waits_in_order(busy_kernel):
    _, idle, _ = busy_kernel
    found = rows(ask(idle, "%fleet"), "alice", "bob", "carla", "dave")
    assert [name for name, _ in found] == ["alice", "bob", "carla", "dave"]
    lines = dict(found)
    assert "runs for " in lines["alice"]
    assert "2 wait, next" in lines["bob"]
    assert "1 waits, 1 before" in lines["carla"]
    assert "(you)" in lines["dave"] and "before" not in lines["dave"]


def test_operators_see_the_same(fleet, busy_kernel):
    kernel, _, _ = busy_kernel
    clients = {each["name"]: each for each in fleet.answer("clients") if each["kernel"] == kernel and each["live"]}
    assert clients["alice"]["running_for"] is not None
    seen = {name: (clients[name]["waiting"], clients[name]["before"]) for name in ("alice", "bob", "carla", "dave")}
    assert seen == {"alice": (0, 0), "bob": (2, 0), "carla": (1, 1), "dave": (0, 0)}
    assert {each["user"] for each in clients.values()} == {getpass.getuser()}
    assert {each["endpoint"] for each in clients.values()} == {"published"}
    listed = rows(fleet.command("clients").stdout, "alice", "bob", "carla", "dave")
    assert [name for name, line in listed if kernel in line] == ["alice", "bob", "carla", "dave"]


def test_who_gives_no_name_is_called_by_the_user_of_its_process(crowd, fleet):
    client, other = crowd(2)
    client.session.username = other.session.username = ""
    kernel = own_kernel(client)
    assert execute(other, "1").status == "ok"
    names = {each["name"] for each in fleet.answer("clients") if each["kernel"] == kernel}
    assert names == {getpass.getuser()}
    assert f"{getpass.getuser()} (you)" in ask(client, "%fleet") or f"{getpass.getuser()} in " in ask(client, "%fleet")


def test_an_interrupt_from_a_cell_is_answered_at_once_behind_own_cells(crowd):
    busy, other = [named(client, name) for client, name in zip(crowd(2), ("alice", "bob"))]
    running = busy.execute("print('runs', flush=True)\nimport time\nwhile True: time.sleep(0.05)")
    deadline = Deadline(30)
    while next_message(busy, "iopub", deadline, lambda: "`runs`")["content"].get("text") != "runs\n":
        pass
    waiting = send_and_see_received(other, "6 * 7")
    cell = written(other, "%fleet interrupt")
    post(other, cell)
    # The one that waited is not given up: it has its turn when the running one has ended.
    assert reply_to(busy, running)["content"]["ename"] == "KeyboardInterrupt"
    answers = [reply_to(other, each)["content"]["status"] for each in (cell["header"]["msg_id"], waiting)]
    assert answers == ["ok", "ok"]


def test_a_death_names_whose_cell_ran(crowd, fleet):
    busy, other = [named(client, name) for client, name in zip(crowd(2), ("alice", "bob"))]
    kernel = own_kernel(busy)
    running = send_and_see_received(busy, "import time; time.sleep(60)")
    waiting = send_and_see_received(other, "1")
    pid = next(each["pid"] for each in fleet.answer("list") if each["id"] == kernel)
    os.kill(pid, signal.SIGKILL)
    for client, cell in ((busy, running), (other, waiting)):
        content = reply_to(client, cell)["content"]
        assert content["ename"] == "KernelDied" and "It ran alice's cell" in content["evalue"], content
