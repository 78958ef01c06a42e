"""Cells that are sent all at once and go to several kernels: one after the other, as on one kernel."""

import uuid

import pytest

from harness.clients import execute, kinds, reply_to, request
from harness.deadline import wait_until
from harness.magics import finish_all, run, send, wait_for_start

# Each notes its number in a file when it begins and when it ends, and takes its time in between.
NOTE = {
    "python3": "import time\nfor word in ('begins', 'ends'):\n    print({number}, word, file=open('{file}', 'a'))\n    time.sleep(.1)",
    "lua": "for _, word in ipairs {{'begins', 'ends'}} do\n  local file = io.open('{file}', 'a')\n"
    "  file:write('{number} ', word, '\\n') file:close()\n  local ends = os.clock() + .1\n  while os.clock() < ends do end\nend",
    "bash": "for word in begins ends; do echo {number} $word >>'{file}'; sleep .1; done",
    "deno": "for (const word of ['begins', 'ends']) {{\n  Deno.writeTextFileSync('{file}', `{number} ${{word}}\\n`, {{ append: true }});\n"
    "  await new Promise((done) => setTimeout(done, 100));\n}}",
}
FAIL = {"python3": "1 / 0", "lua": "error('no luck')", "bash": "(exit 3)"}


@pytest.fixture
def notebook(connect, group):
    """A client whose own kernel runs Python."""
    client = connect(runtime="python3", group=group)
    execute(client, "1")
    return client


def cell(runtime, code):
    return code if runtime == "python3" else f"%%fleet {runtime}\n{code}"


@pytest.mark.timeout(180)
def test_run_all_over_four_languages_is_in_order(notebook, tmp_path):
    file, runtimes = tmp_path / "notes", list(NOTE) * 3
    # What a cold start takes says nothing about order.
    for runtime in NOTE:
        assert run(notebook, cell(runtime, NOTE[runtime].format(number=0, file=tmp_path / "cold"))).status == "ok"
    codes = [NOTE[runtime].format(number=number, file=file) for number, runtime in enumerate(runtimes)]
    sent = [send(notebook, cell(runtime, code)) for runtime, code in zip(runtimes, codes)]
    batch = finish_all(notebook, sent)
    assert batch.replied == sent
    assert set(batch.statuses) == {"ok"}
    expected = [f"{number} {word}" for number in range(len(runtimes)) for word in ("begins", "ends")]
    assert file.read_text().splitlines() == expected


def test_cold_kernels_keep_the_order_too(notebook, tmp_path):
    file, runtimes = tmp_path / "notes", ["lua", "python3", "bash", "lua", "python3"]
    codes = [NOTE[runtime].format(number=number, file=file) for number, runtime in enumerate(runtimes)]
    sent = [send(notebook, cell(runtime, code)) for runtime, code in zip(runtimes, codes)]
    assert finish_all(notebook, sent).replied == sent
    assert [line.split()[0] for line in file.read_text().splitlines()] == ["0", "0", "1", "1", "2", "2", "3", "3", "4", "4"]


@pytest.mark.parametrize("runtime", FAIL)
def test_an_error_aborts_what_waits_behind_it(notebook, fleet, runtime, tmp_path):
    for each in FAIL:
        run(notebook, cell(each, ""))
    # As on one kernel, an error aborts what is there by then: so nothing fails before all has been sent.
    go = tmp_path / "go"
    first = ("bash", f"until [ -e {go} ]; do sleep .05; done")
    codes = [first, (runtime, FAIL[runtime]), ("python3", "'never'"), ("bash", "echo never"), ("python3", "2")]
    sent = [send(notebook, cell(*each)) for each in codes]
    wait_until(lambda: all(fleet.has_noted(each) for each in sent), 10, "the fleet to have all cells")
    go.touch()
    batch = finish_all(notebook, sent)
    assert batch.statuses == ["ok", "error", "aborted", "aborted", "aborted"]
    assert [kinds(each.messages) for each in batch.done[2:]] == [["busy", "idle"]] * 3
    assert execute(notebook, "'goes on'").result == "'goes on'"


@pytest.mark.parametrize("runtime", FAIL)
def test_unless_that_cell_said_otherwise(notebook, runtime):
    for each in FAIL:
        run(notebook, cell(each, ""))
    codes = [("lua", "print(1)"), (runtime, FAIL[runtime]), ("python3", "'reached'"), ("bash", "echo reached")]
    sent = [send(notebook, cell(*each), stop_on_error=False) for each in codes]
    assert finish_all(notebook, sent).statuses == ["ok", "error", "ok", "ok"]


def test_a_move_is_in_order_too(notebook, group):
    """Cells in front of a `%fleet use` run where they belonged, those behind it where it leads."""
    word = uuid.uuid4().hex
    codes = ["import time; time.sleep(.3); language = 'python'", "language", "%fleet use lua", f"print(_VERSION, '{word}')"]
    sent = [send(notebook, code) for code in codes]
    done = finish_all(notebook, sent).done
    assert [each.status for each in done] == ["ok"] * 4
    assert done[1].result == "'python'"
    assert done[3].stream().startswith("Lua 5") and word in done[3].stream()


def test_interrupting_the_cell_that_runs_aborts_those_behind(notebook):
    run(notebook, "%%fleet lua\nx = 1")
    sent = [send(notebook, "%%fleet lua\nprint('started') while true do end"), send(notebook, "1"), send(notebook, "%%fleet lua\nprint(2)")]
    wait_for_start(notebook)
    assert request(notebook, "interrupt_request", channel="control")["content"]["status"] == "ok"
    statuses = [reply_to(notebook, msg_id)["content"]["status"] for msg_id in sent]
    assert statuses == ["error", "aborted", "aborted"]


def test_clients_do_not_wait_for_each_other(notebook, connect, group):
    """A turn is a client's own: another's endless visit holds nobody up."""
    run(notebook, "%%fleet lua\nx = 1")
    blocked = send(notebook, "%%fleet lua\nprint('started') while true do end")
    wait_for_start(notebook)
    other = connect(runtime="python3", group=group)
    assert execute(other, "'free'").result == "'free'"
    assert run(other, "%%fleet bash\necho free").stream() == "free\n"
    request(notebook, "interrupt_request", channel="control")
    assert reply_to(notebook, blocked)["content"]["status"] == "error"
