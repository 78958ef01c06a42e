"""`%fleet` at a real `jupyter console`."""

import pytest

SIMPLE = ("--simple-prompt", "--no-confirm-exit")


def test_pages_are_shown_and_the_prompt_counts_the_kernels_cells(console, group):
    terminal = console(*SIMPLE, runtime="python3", group=group)
    terminal.prompt()
    assert terminal.number == 1
    terminal.run("x = 1")
    assert terminal.number == 2
    for line in ("%fleet", "%fleet list", "%fleet runtimes", "%fleet help"):
        shown = terminal.run(line)
        assert "python3" in shown or "%fleet use" in shown
        assert terminal.number == 2, line
    assert "Out[2]: 1" in terminal.run("x")
    assert terminal.number == 3
    terminal.leave()


def test_an_error_is_shown_and_the_prompt_stays(console, group):
    terminal = console(*SIMPLE, runtime="python3", group=group)
    terminal.prompt()
    terminal.run("x = 1")
    shown = terminal.run("%fleet lst")
    assert "did you mean `%fleet list`" in shown
    assert terminal.number == 2
    assert "Out[2]: 1" in terminal.run("x")
    terminal.leave()


def test_use_moves_a_console_for_good_though_it_repeats_its_wishes(console, group):
    terminal = console(*SIMPLE, runtime="python3", group=group)
    terminal.prompt()
    terminal.run("x = 1")
    assert "lua" in terminal.run("%fleet use lua")
    assert "Lua 5" in terminal.run("print(_VERSION)")
    assert terminal.number == 2, "the first cell of that kernel"
    assert "Lua 5" in terminal.run("print(_VERSION)")
    terminal.run("%fleet use python3")
    assert terminal.number == 2
    assert "Out[2]: 1" in terminal.run("x")
    terminal.leave()


def test_the_first_thing_typed_may_be_a_question(console, group):
    terminal = console(*SIMPLE, runtime="python3", group=group)
    terminal.prompt()
    terminal.run("%fleet list")
    # JupyterLab takes 0 for no number, so this cell counts as 1, as the kernel's first will.
    assert terminal.number == 2
    assert "Out[1]: 2" in terminal.run("1 + 1")
    assert terminal.number == 2
    terminal.leave()


@pytest.mark.timeout(180)
def test_a_cell_elsewhere_is_typed_on_several_lines(console, group):
    """Without --simple-prompt the console asks whether the code is complete; an empty line ends it."""
    terminal = console("--no-confirm-exit", runtime="python3", group=group)
    child = terminal.child
    child.expect(r"In \[")
    child.send("%%fleet lua\r")
    child.expect(r"\.\.\.:")
    child.send("print('typed ' .. 'there')\r")
    child.expect(r"\.\.\.:")
    child.send("\r")
    child.expect("typed there")
    child.expect(r"In \[")
    child.send("print('back ' + 'home')\r")
    child.expect("back home")
    child.expect(r"In \[")
    terminal.leave()
