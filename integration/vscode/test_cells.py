"""Cells, as a person runs them in VS Code."""

import pytest

CELL = """
import sys
for number in range(3): print('line', number, flush=True)
print('careful', file=sys.stderr, flush=True)
6 * 7
"""


def test_streams_and_a_result_come_in_order(window):
    cell = window.run(CELL)
    assert cell.reply["status"] == "ok"
    assert (cell.stream(), cell.stream("stderr"), cell.result) == ("line 0\nline 1\nline 2\n", "careful\n", "42")
    streams = [kind for kind in cell.kinds if kind == "stream"]
    assert cell.kinds == ["busy", "execute_input", *streams, "execute_result", "idle"]


def test_many_outputs_come_whole_and_in_order(window):
    # With pauses: a kernel's PUB socket drops what exceeds a thousand messages, when the machine is so busy that none leaves meanwhile.
    code = "import time\nfor number in range(2000):\n    display(number)\n    if number % 500 == 499: time.sleep(0.2)"
    cell = window.run(code)
    shown = [content["data"]["text/plain"] for content in cell.of_type("display_data")]
    assert shown == [str(number) for number in range(2000)]


def test_cells_that_wait_run_one_after_the_other(window):
    """Run All: VS Code sends each cell when the one before is done, a person who is faster need not wait."""
    cells = [window.send(f"x = {number}\nprint(x)") for number in range(5)]
    assert [window.finish(cell).stream() for cell in cells] == [f"{number}\n" for number in range(5)]
    parents = [message["parent_header"].get("msg_id") for message in window.heard()["messages"]["iopub"]]
    of_cells = [msg_id for msg_id in parents if msg_id in cells]
    assert sorted(of_cells, key=cells.index) == of_cells


def test_an_error_does_not_stop_the_next_cell(window):
    failing, following = window.send("1 / 0"), window.send("print('goes on')")
    cell = window.finish(failing)
    assert (cell.reply["status"], cell.reply["ename"]) == ("error", "ZeroDivisionError")
    assert cell.kinds == ["busy", "execute_input", "error", "idle"]
    assert window.finish(following).stream() == "goes on\n"


def test_a_question_is_answered(window):
    cell = window.send("name = input('name? ')\nprint('hello', name)")
    assert window.answer(cell, "code") == "name? "
    assert window.finish(cell).stream() == "hello code\n"


def test_completion(window):
    window.run("telephone = 1")
    reply = window.request("complete_request", {"code": "teleph", "cursor_pos": 6})
    assert (reply["status"], reply["cursor_start"], reply["cursor_end"]) == ("ok", 0, 6)
    assert "telephone" in reply["matches"]


@pytest.mark.parametrize("channel", ["control", pytest.param("shell", marks=pytest.mark.proxy_only)])
def test_interrupt_by_message(window, channel):
    """VS Code asks on control; until November 2025 it asked on shell, where ipykernel alone does not listen for it."""
    cell = window.send("import time\nprint('runs', flush=True)\nwhile True: time.sleep(0.1)")
    window.until_text(cell, "runs")
    assert window.interrupt(channel)["status"] == "ok"
    done = window.finish(cell)
    assert (done.reply["status"], done.reply["ename"]) == ("error", "KeyboardInterrupt")
    assert window.run("'alive'").result == "'alive'"


def test_every_message_belongs_to_this_window(window):
    """Nobody else is in this group: what is heard answers this session, or is told by the kernel itself."""
    window.run(CELL)
    heard = window.heard()
    parents = {message["parent_header"].get("session") for each in heard["messages"].values() for message in each}
    assert parents <= {heard["session"], None}
