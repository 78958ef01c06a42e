"""A notebook on a kernelspec that `jupyter-fleet kernelspec install` wrote."""

import re

from playwright.sync_api import expect

from lab_notebook import OUTPUT_MILLISECONDS

FIGURE = """\
import matplotlib.pyplot as plt
plt.figure(figsize=(4, 2))
plt.plot([1, 4, 9, 16])
plt.show()"""
ENDLESS = """\
import time
print('begun')
while True:
    time.sleep(0.05)"""
WAITING = """\
import os, time
print('waiting')
while not os.path.exists({}):
    time.sleep(0.05)
finished = 'while nobody looked'"""


def test_streams_a_figure_and_an_error(notebook):
    cells = ["import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)", FIGURE, "6 * 7", "1 / 0", "print('never')"]
    its = notebook(*cells)
    expect(its.panel.locator(".jp-KernelName")).to_have_text("Python 3 (fleet)")
    its.command("notebook:run-all-cells")
    its.shows(0, "to stdout\n", "to stderr\n")
    figure = its.output(1).locator("img")
    expect(figure).to_be_visible()
    assert figure.evaluate("image => image.naturalWidth") > 200
    its.shows(2, "42")
    its.shows(3, re.compile("ZeroDivisionError: division by zero"))
    expect(its.output(4)).to_have_count(0)


def test_input(notebook):
    its = notebook("print('hello ' + input('your name? ').upper())")
    its.run(0)
    expect(its.panel.locator(".jp-Stdin-prompt")).to_have_text("your name? ")
    its.panel.locator(".jp-Stdin-input").fill("ada")
    its.page.keyboard.press("Enter")
    its.shows(0, re.compile("your name"), "hello ADA\n")


def test_interrupt(notebook):
    its = notebook("kept = 'kept'", ENDLESS, "kept")
    its.run(0)
    its.has_run(0)
    its.run(1)
    its.shows(1, "begun\n")
    its.interrupt()
    its.shows(1, "begun\n", re.compile("KeyboardInterrupt"))
    its.run(2)
    its.shows(2, "'kept'")


def test_restart_and_run_all(notebook):
    its = notebook("print('survivor' in globals())", "survivor = True")
    for _ in range(2):
        its.run(0)
        its.run(1)
        its.wait_idle()
    its.shows(0, "True\n")
    connections = []
    its.page.on("websocket", lambda socket: connections.append(socket.url))
    its.command("notebook:restart-run-all")
    its.confirm("Confirm Kernel Restart")
    its.shows(0, "False\n")
    its.has_run(1, "[2]:")
    its.wait_idle()
    assert len(connections) == 1, "it took the restart for one that it had not asked for"


def test_the_debugger_stops_at_a_breakpoint_and_goes_on(notebook):
    its = notebook("n = 6\nprint(n * 7)")
    its.press(".jp-DebuggerBugButton")
    its.cell(0).locator(".cm-breakpoint-gutter .cm-gutterElement").last.click()
    expect(its.page.locator(".jp-DebuggerBreakpoint")).to_have_count(1)
    its.run(0)
    expect(its.page.locator(".jp-DebuggerCallstackFrame")).to_contain_text("Cell [*]:2", timeout=OUTPUT_MILLISECONDS)
    expect(its.output(0)).to_have_count(0)
    its.page.locator("[data-command='debugger:continue']").click()
    its.shows(0, "42\n")


def test_the_page_is_loaded_again_while_a_cell_runs(notebook, reload, lab):
    go = lab.directory / "go"
    its = notebook("before = 1", WAITING.format(repr(str(go))), "before, finished")
    its.run(0)
    its.has_run(0)
    its.save()
    its.run(1)
    its.shows(1, "waiting\n")
    reload()
    go.touch()
    its.open_again()
    its.run(2)
    its.shows(2, "(1, 'while nobody looked')")


def test_notebooks_of_one_group_share_variables_and_others_do_not(notebook, lab):
    (lab.directory / "beside.txt").write_text("of team a")
    writer = notebook("shared = open('beside.txt').read()", kernel="fleet-python3-team-a")
    writer.run(0)
    writer.has_run(0)
    reader = notebook("shared", kernel="fleet-python3-team-a")
    reader.run(0)
    reader.shows(0, "'of team a'")
    stranger = notebook("shared", kernel="fleet-python3-team-b")
    stranger.run(0)
    stranger.shows(0, re.compile("NameError"))
