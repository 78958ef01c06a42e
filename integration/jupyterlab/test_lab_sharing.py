"""Two notebooks on the kernel of one group: each sees whose cell runs, and whether the kernel is busy."""

import getpass
import re

import pytest
from playwright.sync_api import expect

from lab_notebook import OUTPUT_MILLISECONDS

TEAM = "fleet-python3-team-a"


@pytest.fixture
def go(lab, request):
    """A file for which the cells here wait."""
    file = lab.directory / f"go-{request.node.name}"
    yield file
    file.touch()


def waiting(go, says="print('waiting', flush=True)"):
    return f"import os, time\n{says}\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.05)"


def ticking(go):
    """Prints all the time: what the fleet says comes between what the kernel says."""
    return f"import os, time\nwhile not os.path.exists({str(go)!r}):\n    print('tick', flush=True)\n    time.sleep(0.02)"


def test_both_run_all_and_one_fails(notebook, go, page, artifacts):
    first = notebook(waiting(go), "1 / 0", "'never'", kernel=TEAM)
    second = notebook("mine = 1", "mine += 1", "mine", kernel=TEAM)
    first.command("notebook:run-all-cells")
    first.shows(0, "waiting\n")
    second.command("notebook:run-all-cells")
    whose = f"waiting for {getpass.getuser()}'s cell in {first.path}, running for"
    expect(second.output(0)).to_contain_text(whose, timeout=OUTPUT_MILLISECONDS)
    second.wait_for("busy")
    page.screenshot(path=artifacts / "waiting-for-somebody-elses-cell.png")
    go.touch()
    second.shows(2, "2")
    second.wait_idle()
    first.shows(1, re.compile("ZeroDivisionError"))
    first.has_run(1)
    expect(first.output(2)).to_have_count(0)


@pytest.mark.parametrize("cell", [waiting, ticking])
def test_whose_kernel_runs_anothers_cell_is_busy_also_when_it_comes_back(notebook, reload, go, cell):
    first = notebook(cell(go), kernel=TEAM)
    second = notebook("'own'", "%fleet", kernel=TEAM)
    second.run(0)
    second.shows(0, "'own'")
    first.save()
    second.save()
    first.run(0)
    second.wait_for("busy")
    second.run(1)
    expect(second.output(1)).to_contain_text("runs for", timeout=OUTPUT_MILLISECONDS)
    second.has_run(1)
    second.wait_for("busy")
    reload()
    for each in (first, second):
        each.open_again(status="busy")
    go.touch()
    for each in (first, second):
        each.wait_idle()
    second.run(0)
    second.shows(0, "'own'")


@pytest.mark.parametrize("cell", [waiting, ticking])
def test_who_opens_a_notebook_while_another_runs_sees_a_busy_kernel(notebook, go, cell):
    first = notebook(cell(go), kernel=TEAM)
    first.run(0)
    first.wait_for("busy")
    second = notebook("'own'", kernel=TEAM, status="busy")
    go.touch()
    for each in (first, second):
        each.wait_idle()
    second.run(0)
    second.shows(0, "'own'")
