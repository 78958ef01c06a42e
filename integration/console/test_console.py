"""`jupyter console --existing fleet` in a pseudo terminal, as a person uses it."""

import os
import time

import pytest
from jupyter_client import find_connection_file

from harness.clients import execute

SIMPLE = ("--simple-prompt", "--no-confirm-exit")


def test_execute_output_and_error(console, group):
    terminal = console(*SIMPLE, group=group)
    terminal.prompt()
    assert "hello" in terminal.run("print('hel' + 'lo')")
    assert "Out[2]: 42" in terminal.run("6 * 7")
    assert "ZeroDivisionError: division by zero" in terminal.run("1 / 0")
    assert "still here" in terminal.run("print('still ' + 'here')")
    terminal.leave()


def test_input(console, group):
    terminal = console(*SIMPLE, group=group)
    terminal.prompt()
    terminal.child.sendline("print('hello ' + input('your name? ').upper())")
    # The echo of the line holds the question too, but not at the end of a line of its own.
    terminal.child.expect(r"[\r\n]your name\? ")
    terminal.child.sendline("ada")
    assert "hello ADA" in terminal.prompt()
    terminal.leave()


def test_leaving_keeps_the_kernel_for_others(console, group, connect):
    client = connect(group=group, runtime="python3")
    assert execute(client, "shared = 'kept'").status == "ok"
    terminal = console(*SIMPLE, group=group, runtime="python3")
    terminal.prompt()
    assert "'kept'" in terminal.run("shared")
    terminal.leave()
    assert execute(client, "shared").result == "'kept'"


def test_the_kernel_is_chosen_by_metadata(console, group):
    terminal = console(*SIMPLE, group=group, runtime="lua")
    terminal.prompt()
    assert "Lua 5" in terminal.run("print(_VERSION)")
    terminal.leave()


def test_the_full_prompt_with_its_completeness_check(console, group):
    """Without --simple-prompt the console asks is_complete before each execution."""
    terminal = console("--no-confirm-exit", group=group)
    terminal.child.expect(r"In \[")
    terminal.child.send("print('full' + ' prompt')\r")
    terminal.child.expect("full prompt")
    terminal.child.expect(r"In \[")
    terminal.leave()


@pytest.mark.proxy_only
def test_requirements_that_nothing_satisfies_show_in_the_cell(console, group):
    terminal = console(*SIMPLE, runtime="nope", group=group)
    terminal.prompt()
    shown = terminal.run("1 + 1")
    assert "nope" in shown and "python3" in shown and "lua" in shown
    terminal.leave()


@pytest.mark.proxy_only
def test_the_name_fleet_finds_the_published_file_and_nothing_else(fleet, group, connect):
    """Jupyter takes the last accessed of all entries that match `*fleet*`: there must be one only."""
    connect(group=group)
    newer = time.time() + 60
    for entry in fleet.home.runtime_dir.iterdir():
        if entry != fleet.published_file:
            os.utime(entry, (newer, newer))
    assert find_connection_file("fleet", [str(fleet.home.runtime_dir)]) == str(fleet.published_file)
