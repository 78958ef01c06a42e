"""What is not for the fleet passes as it is, other magics included."""

import pytest

from harness.clients import execute, finish, plain
from harness.magics import run, send


def test_the_kernels_own_magics_work(at_home):
    client = at_home("python3")
    assert "loop" in execute(client, "%timeit -n1 -r1 pass").stream()
    assert "Wall time" in execute(client, "%%time\nx = 1").stream()
    assert execute(client, "%%bash\necho from bash").stream() == "from bash\n"
    assert "%fleets" in execute(client, "%fleets").stream("stderr")


@pytest.mark.parametrize(
    "code",
    [
        "text = '''\n%fleet list\n'''; len(text)",
        "x = 1\n# %fleet use lua\nx",
        "%%writefile /dev/null\n%fleet list",
        "'%fleet \\u00e4 \\ud83d\\ude00'",
    ],
)
def test_the_kernel_gets_the_very_code(at_home, code):
    client = at_home("python3")
    assert execute(client, code).status == "ok"
    assert execute(client, "get_ipython().history_manager.input_hist_raw[-2]").result == repr(code)


def test_a_cells_other_metadata_and_fields_pass(at_home):
    """What the kernel is asked beside the code stays, also where the code is changed."""
    client = at_home("python3")
    done = run(client, "%fleet status\nx = 20", {"tags": ["a"]}, user_expressions={"twice": "x * 2"})
    assert done.reply["content"]["user_expressions"]["twice"]["data"]["text/plain"] == "40"
    done = run(client, "%fleet status\n'not in the history'", store_history=False)
    assert done.result == "'not in the history'"
    assert "not in the history" not in execute(client, "In[-2]").result


def test_magics_behind_a_fleet_line_work(at_home):
    client = at_home("python3")
    done = run(client, "%fleet status\n%%bash\necho from bash")
    assert (done.status, done.stream()) == ("ok", "from bash\n")


def test_errors_name_the_lines_of_the_whole_cell(at_home):
    """IPython would not: it takes blank lines off the beginning of any cell."""
    done = run(at_home(), "%fleet status\n\nx = 1\nerror('here')")
    assert ":4:" in done.error["evalue"] + "".join(done.error["traceback"])


def test_cells_of_a_frontend_that_sends_its_own_metadata_stay_at_home(at_home):
    """JupyterLab sends each cell's metadata; without `fleet` it says nothing."""
    client = at_home()
    metadata = {"trusted": True, "deletedCells": [], "recordTiming": False, "cellId": "a"}
    cells = [send(client, f"print({number}, home)", metadata) for number in range(3)]
    assert [finish(client, cell).stream().split() for cell in cells] == [[str(n), "here"] for n in range(3)]
