"""Two windows: one group is one kernel, two groups never notice each other."""

import json

import pytest

MARK = "a secret of the other group"
SAYS_MUCH = f"import sys\nfor number in range(200): print({MARK!r}, number)\nprint({MARK!r}, file=sys.stderr)\n{MARK!r}"

pytestmark = pytest.mark.proxy_only


def test_one_group_is_one_state(open_window, group):
    first, second = open_window(group), open_window(group)
    first.run("x = 21")
    assert second.run("x * 2").result == "42"


def test_two_groups_are_two_kernels(open_window, group):
    first, second = open_window(group), open_window(f"{group}-other")
    first.run("x = 21")
    assert second.run("'x' in globals()").result == "False"
    assert first.run("import os; os.getpid()").result != second.run("import os; os.getpid()").result


def test_no_message_of_another_group_is_heard(open_window, group):
    first, second = open_window(group), open_window(f"{group}-other")
    running = first.send("import time\nprint('runs', flush=True)\ntime.sleep(2)\nprint('done')")
    first.until_text(running, "runs")
    assert second.run(SAYS_MUCH).result == repr(MARK)
    assert first.finish(running).stream() == "runs\ndone\n"
    heard = first.heard()["messages"]
    assert MARK not in json.dumps(heard)
    assert second.heard()["session"] not in json.dumps(heard)


def test_a_question_asks_the_window_whose_cell_runs(open_window, group):
    first, second = open_window(group), open_window(group)
    cell = first.send("input('who? ')")
    assert first.answer(cell, "first") == "who? "
    assert first.finish(cell).result == "'first'"
    assert second.heard()["messages"]["stdin"] == []
