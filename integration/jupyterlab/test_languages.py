"""One notebook, four languages: cell by cell, by a first line or by the cell's own metadata."""

import pytest

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
    its.output(0).locator("img").wait_for()
    for runtime in ("python3", *CODE):
        its.output(5).get_by_text(runtime, exact=True).first.wait_for()


def test_a_language_keeps_its_state_from_cell_to_cell(notebook):
    its = notebook("%%fleet lua\nkept = 6", ("kept = kept * 7", {"fleet": {"runtime": "lua"}}), "%%fleet lua\nprint(kept)", "'kept' in globals()")
    its.command("notebook:run-all-cells")
    its.shows(2, "42\n")
    its.shows(3, "False")
