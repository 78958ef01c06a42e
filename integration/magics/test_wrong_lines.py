"""A `%fleet` line that cannot be carried out: an error in the cell, in words, and nothing has changed."""

import pytest

from harness.clients import execute, kinds
from harness.kernel_files import kernels
from harness.magics import finish_all, own_kernel, post, run, send, written

WRONG = {
    "%fleet lst": "%fleet list",
    "%fleet frobnicate": "runtimes",
    "%fleet runtime=lua": "%fleet use runtime=lua",
    "%fleet list everything": "everything",
    "%fleet use": "%fleet use runtime=",
    "%fleet use runtmie=lua": "`runtime`",
    "%fleet use memory_limit=much": "much",
    "%fleet use group='a": "quote",
    "%fleet use nope": "there is no runtime nope",
    "%fleet use kernel=00000000": "there is no kernel 00000000",
    "%fleet new nope": "there is no runtime nope",
    '%fleet use {"runtmie": "lua"}': "runtmie",
    "%%fleet": "%%fleet runtime=",
    "%%fleet use lua\nprint(1)": "%fleet use",
    "%%fleet nope\nprint(1)": "there is no runtime nope",
    "%%fleet colour=red\nprint(1)": "colour",
}


@pytest.mark.parametrize("code", WRONG)
def test_it_is_said_in_the_cell_and_the_binding_stays(at_home, fleet, code):
    client = at_home()
    kernel, before = own_kernel(client), kernels(fleet)
    done = run(client, f"{code}\nprint('not reached')")
    assert kinds(done.messages) == ["busy", "error", "idle"]
    reply = done.reply["content"]
    assert (reply["status"], reply["ename"], reply["evalue"]) == ("error", done.error["ename"], done.error["evalue"])
    assert WRONG[code] in done.error["evalue"] and done.error["traceback"]
    # Those of earlier tests may end meanwhile.
    assert own_kernel(client) == kernel and kernels(fleet) <= before
    assert run(client, "print(home)").stream() == "here\n"


@pytest.mark.parametrize("stops, runs", [(True, False), (False, True)])
def test_it_aborts_the_cells_behind_it_as_any_error_does(at_home, stops, runs):
    client = at_home("python3")
    run(client, "%%fleet lua\nx = 1")
    sent = [send(client, "import time; time.sleep(.3)"), send(client, "%%fleet nope\n1", stop_on_error=stops)]
    sent += [send(client, "'own'"), send(client, "%%fleet lua\nprint('away')")]
    assert finish_all(client, sent).statuses == ["ok", "error", *(["ok", "ok"] if runs else ["aborted", "aborted"])]


@pytest.mark.parametrize("stops, runs", [(True, False), (False, True)])
def test_also_where_it_is_the_first_of_those_sent_at_once(at_home, stops, runs):
    """A frontend's "run all" counts on the kernel to stop at an error, and does not wait for replies."""
    client = at_home("python3")
    run(client, "%%fleet lua\nx = 1")
    cells = [written(client, "%%fleet nope\n1", stop_on_error=stops), written(client, "'own'")]
    cells.append(written(client, "%%fleet lua\nprint('away')"))
    sent = [post(client, cell) for cell in cells]
    assert finish_all(client, sent).statuses == ["error", *(["ok", "ok"] if runs else ["aborted", "aborted"])]


def test_a_kernels_text_is_no_markup(connect):
    group = "<b>bold</b>&"
    client = connect(runtime="lua", group=group)
    run(client, "x = 1")
    [page] = run(client, "%fleet list").of_type("display_data")
    assert group in page["data"]["text/plain"]
    assert "<b>" not in page["data"]["text/html"] and "&lt;b&gt;bold&lt;/b&gt;&amp;" in page["data"]["text/html"]


def test_a_thousand_lines_end_nothing(own_fleet, connect_own):
    """Whoever may send cells may not end the fleet for the others."""
    client = connect_own(runtime="lua")
    assert execute(client, "home = 'here'").status == "ok"
    client.execute("%fleet why\n" * 1000 + "print('done')")
    assert client.get_shell_msg(timeout=60)["content"]["status"] in ("ok", "error")
    assert own_fleet.process.poll() is None
    assert execute(client, "print(home)").stream() == "here\n"
