"""One notebook, four languages: cell by cell, by a first line or by the cell's own metadata."""

import re

import pytest
from playwright.sync_api import expect

PYTHON = """\
import matplotlib.pyplot as plt
squares = [n * n for n in range(6)]
plt.figure(figsize=(5, 1.3))
plt.plot(squares, marker='o')
plt.show()"""
LUA = """\
local words = {}
for word in string.gmatch('a notebook of many tongues', '%a+') do table.insert(words, word:upper()) end
print(_VERSION .. ': ' .. table.concat(words, ' '))"""
BASH = "printf '%s\\n' python lua bash deno | sort -r | paste -sd ' '"
DENO = "console.log([1, 2, 3].map((n: number) => n ** n).join(' '))"
SHOWN = {"lua": "Lua 5.4: A NOTEBOOK OF MANY TONGUES\n", "bash": "python lua deno bash\n", "deno": "1 4 27\n"}
CODE = {"lua": LUA, "bash": BASH, "deno": DENO}


def by_line(runtime):
    return f"%%fleet {runtime}\n{CODE[runtime]}"


def by_metadata(runtime):
    return CODE[runtime], {"fleet": {"runtime": runtime}}


@pytest.mark.parametrize("cell_for", [by_line, by_metadata], ids=["first_line", "cell_metadata"])
def test_four_languages(notebook, cell_for):
    its = notebook(PYTHON, *[cell_for(runtime) for runtime in CODE], "print(squares)", "%fleet list")
    its.command("notebook:run-all-cells")
    for number, shown in enumerate(SHOWN.values(), start=1):
        its.shows(number, shown)
    its.shows(4, "[0, 1, 4, 9, 16, 25]\n")
    expect(its.output(0).locator("img")).to_be_visible()
    # In the middle of other cells, it tells how things are then.
    its.run(5)
    for runtime in ("python3", *CODE):
        expect(its.output(5).get_by_role("cell", name=runtime, exact=True)).to_be_visible()
    its.has_run(5)


def test_a_language_keeps_its_state_from_cell_to_cell(notebook):
    its = notebook("%%fleet lua\nkept = 6", ("kept = kept * 7", {"fleet": {"runtime": "lua"}}), "%%fleet lua\nprint(kept)", "'kept' in globals()")
    its.command("notebook:run-all-cells")
    its.shows(2, "42\n")
    its.shows(3, "False")


def test_the_fleet_answers_in_the_first_cell(notebook):
    its = notebook("%fleet", "%fleet use runtime=no-such")
    its.run(0)
    expect(its.output(0)).to_contain_text("YOUR KERNEL")
    its.has_run(0)
    its.run(1)
    its.shows(1, re.compile("no-such"))
    its.has_run(1)
