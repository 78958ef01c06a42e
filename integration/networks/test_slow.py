"""A network that loses one packet in twenty, and on which an answer takes 200 ms: all is slower, and nothing else."""

import re

import pytest

from counting import of_cell, text

from harness.deadline import Deadline

pytestmark = pytest.mark.proxy_only
SLOW = {"delay": 0.1}
BAD = {**SLOW, "loss": 0.05}
LINES = 500
OUTPUT_SECONDS = 30
# The third fails late: by then, the last one waits behind it, however often it was lost on its way.
FAILS = "import time; time.sleep(5); 1/0"
CELLS = ("print(*range(1000), sep='\\n')", "import sys; print('x' * 200_000)", FAILS, "print('end')")


@pytest.fixture
def slow(packets):
    """A network that is slow both ways. It is to lose packets as well before the test ends."""
    packets.set(to_fleet=SLOW, to_clients=SLOW)
    yield packets
    assert sum(counts["lost"] for counts in packets.restore().values()) > 0


def loses_packets(network):
    """For clients of jupyter_client: it gives a kernel up, while it connects, whose heartbeat takes more than a second."""
    network.set(to_fleet=BAD, to_clients=BAD)


def test_output_is_whole_and_in_order(slow, scene):
    stage = scene(slow)
    clients = [stage.far(group="blocking"), stage.far_async(group="asyncio")]
    loses_packets(slow)
    counted = f"for number in range({LINES}): print('number', number, flush=True)"
    asked = {client: [client.execute(code) for code in (counted, *CELLS)] for client in clients}
    for client, cells in asked.items():
        counted, lines, line, _, last = cells
        heard = client.hear_out(last)
        # A cell that fails ends those that wait behind it.
        shell = [each for each in heard if each["channel"] == "shell" and each["parent"] in cells]
        replies = [(each["parent"], each["content"]["status"]) for each in shell]
        assert replies == list(zip(cells, ["ok", "ok", "ok", "error", "aborted"], strict=True))
        assert text(heard, counted).splitlines() == [f"number {number}" for number in range(LINES)]
        assert text(heard, lines).splitlines() == [str(number) for number in range(1000)]
        assert text(heard, line) == "x" * 200_000 + "\n"


def test_interrupts_and_questions_get_through(slow, scene):
    stage = scene(slow)
    far = stage.far()
    loses_packets(slow)
    for _ in range(3):
        # Where a cell prints all the time, ipykernel swallows an interrupt now and then.
        cell = far.execute("import time; print('runs', flush=True); time.sleep(600)")
        far.listen({"channel": "iopub", "parent": cell, "msg_type": "stream"})
        assert far.request("control", "interrupt_request") == {"status": "ok"}
        heard = far.hear_out(cell)
        assert [each["content"]["ename"] for each in of_cell(heard, cell) if each["msg_type"] == "error"] == ["KeyboardInterrupt"]

        question = far.execute("print('hello', input('Who? '))")
        far.listen({"channel": "stdin", "msg_type": "input_request", "parent": question})
        far.send("stdin", "input_reply", {"value": "Ada"})
        assert text(far.hear_out(question), question) == "hello Ada\n"


def numbers(shown):
    return re.findall(r"^number (\d+)", shown, re.MULTILINE)


def test_a_console(slow, scene):
    console = scene(slow).console()
    console.prompt()
    loses_packets(slow)
    # A console whose heartbeat takes more than a second shows its next prompt before the output of a cell, as it does on any
    # network; a line of white space then shows what has come.
    shown = "".join(console.run(f"print('number {number}')") for number in range(20))
    deadline = Deadline(OUTPUT_SECONDS)
    while "19" not in numbers(shown) and deadline.left:
        shown += console.run(" ")
    assert numbers(shown) == [str(number) for number in range(20)]
    console.leave()
