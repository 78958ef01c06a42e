"""llmspell is a kernel like any other: by what clients see."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.clients import execute, finish, plain, reply_to, request
from harness.existing_kernel import run

pytestmark = pytest.mark.proxy_only
SUITE = Path(__file__).with_name("llmspell_suite.py")
SUITE_SECONDS = 100
# All of its iopub comes when a cell has ended, some of it later, and 99 prints hang it.
MUCH = "for number = 1, 500 do print(number) end local t = os.clock() while os.clock() - t < 0.4 do end"


def test_kernel_info_is_llmspells_and_complete(connect, group):
    client = connect(group=group)
    content = reply_to(client, client.kernel_info())["content"]
    assert (content["status"], content["implementation"]) == ("ok", "llmspell")
    assert content["language_info"]["name"] == "lua" and content["language_info"]["mimetype"] == "text/x-lua"
    assert content["banner"] == "LLMSpell Kernel v0.14.1 (lua)"


def test_output_is_in_order_and_any_number_of_prints_is_none_too_many(connect, group):
    done = execute(connect(group=group), MUCH)
    assert (done.status, done.stream()) == ("ok", "".join(f"{number}\n" for number in range(1, 501)))


def test_all_ways_to_print(connect, group):
    done = execute(connect(group=group), "print('a', nil, 1) io.write('b', 2) io.write('\\n') print('é', '\\xff')")
    assert done.stream() == "a\tnil\t1\nb2\né\t\ufffd\n"


@pytest.mark.parametrize(
    "code, result",
    [
        ("1 + 1", "2"),
        ("return 'text'", '"text"'),
        ("x = 1\nx", "1"),
        ("1, nil, 'b'", '1\tnil\t"b"'),
        ("{1, 2, x = {y = true}}", "{1, 2, x = {y = true}}"),
        ("setmetatable({}, {__tostring = function() return 'shown' end})", "shown"),
        ("nil", None),
        ("y = 2", None),
    ],
)
def test_values(connect, group, code, result):
    done = execute(connect(group=group), code)
    assert (done.status, done.result, done.stream(), done.of_type("display_data")) == ("ok", result, "", [])


def test_an_error_has_a_name_a_message_and_the_lines_of_the_cell(connect, group):
    client = connect(group=group)
    done = execute(client, "print('before')\nlocal function fail()\n  error('boom')\nend\nfail()")
    assert (done.status, done.stream()) == ("error", "before\n")
    assert (done.error["ename"], done.error["evalue"]) == ("LuaError", "cell 1:3: boom")
    assert done.reply["content"]["evalue"] == "cell 1:3: boom"
    traceback = done.error["traceback"]
    assert traceback[0] == "LuaError: cell 1:3: boom"
    assert any("cell 1:5: in main chunk" in line for line in traceback)
    assert not any("xpcall" in line or "engine.rs" in line for line in traceback), traceback
    done = execute(client, "x = = 1")
    assert (done.error["ename"], done.error["evalue"]) == ("SyntaxError", "cell 2:1: unexpected symbol near '='")
    done = execute(client, "error({code = 7})")
    assert done.error["evalue"] == "{code = 7}"


def test_text_that_looks_like_an_error_is_text(connect, group):
    done = execute(connect(group=group), "print('Error: Script execution failed: no') return 'Error: '")
    assert (done.status, done.stream(), done.result) == ("ok", "Error: Script execution failed: no\n", '"Error: "')


def test_empty_code(connect, group):
    client = connect(group=group)
    for code in ["", "  \n", "-- nothing"]:
        done = execute(client, code)
        assert (done.status, done.result, done.stream()) == ("ok", None, "")


def test_a_silent_cell_says_nothing_and_does_not_count(connect, group):
    client = connect(group=group)
    done = execute(client, "print('hidden') z = 5 return z", silent=True)
    assert {message["msg_type"] for message in done.messages} == {"status"}
    done = execute(client, "z")
    assert (done.result, done.reply["content"]["execution_count"]) == ("5", 1)
    done = execute(client, "z", store_history=False)
    assert done.reply["content"]["execution_count"] == 2
    assert execute(client, "z").reply["content"]["execution_count"] == 2


def test_user_expressions(connect, group):
    done = execute(connect(group=group), "a = 2", user_expressions={"twice": "a * 2", "wrong": "a.b.c"})
    values = done.reply["content"]["user_expressions"]
    assert values["twice"]["data"] == {"text/plain": "4"}
    assert values["wrong"]["status"] == "error"


def test_an_error_stops_what_its_client_queued_unless_told_otherwise(connect, group):
    client = connect(group=group)
    first, second = client.execute("error('first')"), client.execute("ran = true")
    assert reply_to(client, first)["content"]["status"] == "error"
    assert reply_to(client, second)["content"]["status"] == "aborted"
    first, second = client.execute("error('first')", stop_on_error=False), client.execute("return ran")
    done = finish(client, second)
    assert (done.status, done.result) == ("ok", None)


def test_whether_code_is_complete(connect, group):
    client = connect(group=group)
    expected = {"x = 1": "complete", "for i = 1, 2 do": "incomplete", "x = = 1": "invalid"}
    for code, status in expected.items():
        assert reply_to(client, client.is_complete(code))["content"]["status"] == status


def test_completion_knows_keywords_and_the_names_of_the_kernel(connect, group):
    client = connect(group=group)

    def matches(code):
        content = reply_to(client, client.complete(code))["content"]
        assert content["status"] == "ok" and content["cursor_end"] == len(code)
        return content["matches"]

    assert matches("x = pri") == ["print"]
    execute(client, "remember = {one = 1, run = print} setmetatable(remember, {__index = {inherited = 2}})")
    assert matches("re") == ["remember", "repeat", "require", "return"]
    assert matches("remember.") == ["inherited", "one", "run"]
    assert matches("remember:") == ["run"]
    assert matches("('x'):up") == ["upper"]
    assert matches("__jup") == []
    done = execute(client, "remember.one")
    assert done.reply["content"]["execution_count"] == 2


def test_what_it_cannot_do_is_answered(connect, group):
    client = connect(group=group)
    assert request(client, "inspect_request", {"code": "print", "cursor_pos": 3})["content"]["found"] is False
    assert request(client, "comm_info_request", {})["content"]["comms"] == {}
    assert request(client, "debug_request", {"command": "debugInfo"}, channel="control")["content"]["status"] == "error"
    assert reply_to(client, client.history(hist_access_type="tail", n=3))["content"]["history"] == []


def test_a_cell_that_takes_the_functions_away_is_survived(connect, group):
    client = connect(group=group)
    assert execute(client, "__jupyter_fleet = nil").status == "ok"
    assert execute(client, "1").status == "error"
    assert execute(client, "1 + 1").result == "2"
    assert execute(client, "print, pcall, xpcall, load, tostring, type, string = nil").status == "ok"
    assert execute(client, "1 + 2").result == "3"


def test_two_clients_share_it(connect, connect_process, group):
    one, two = connect(group=group), connect_process(group=group)
    execute(one, "shared = 'both'")
    assert two.execute("print(shared)")["stdout"] == "both\n"


def test_lines_for_the_fleet(connect, group):
    client = connect(group=group)
    done = execute(client, "%fleet status")
    assert done.status == "ok" and "llmspell" in plain(json.dumps(done.of_type("display_data")))
    assert execute(client, "%%fleet runtime=lua\nreturn _VERSION").result == '"Lua 5.4"'


async def test_a_notebook(fleet, group):
    cells = ["x = 21 print('a line')", "x * 2", MUCH, "error('as planned')"]
    finished = await run(fleet.connection_file(), {"group": group}, *cells, allow_errors=True, coalesce_streams=True)
    outputs = [[output.output_type for output in cell.outputs] for cell in finished.cells]
    assert outputs == [["stream"], ["execute_result"], ["stream"], ["error"]]
    assert finished.cells[1].outputs[0]["data"]["text/plain"] == "42"
    assert finished.metadata["language_info"]["name"] == "lua"


def test_a_console(console, group):
    typed = console("--simple-prompt", "--no-confirm-exit", group=group)
    typed.prompt()
    assert "42" in typed.run("6 * 7")
    assert "no luck" in typed.run("error('no luck')")
    assert "3\n" in typed.run("for number = 1, 3 do print(number) end").replace("\r", "")
    typed.leave()


@pytest.mark.timeout(240)
def test_the_suite_of_jupyter_kernel_test(fleet, group, capsys):
    arguments = [str(fleet.connection_file()), json.dumps({"group": group})]
    finished = subprocess.run(
        [sys.executable, str(SUITE), *arguments], env=fleet.environment, capture_output=True, text=True, timeout=SUITE_SECONDS
    )
    assert finished.returncode == 0, finished.stderr
    outcomes = json.loads(finished.stdout)
    passed = {name for name, outcome in outcomes.items() if outcome == "passed"}
    others = {name: outcome.strip().splitlines()[-1] for name, outcome in outcomes.items() if name not in passed}
    with capsys.disabled():
        print(f"\njupyter_kernel_test on llmspell: {len(passed)} passed; others: {others}")
    assert all(outcome.startswith("skipped") for outcome in others.values()), others
    assert len(passed) >= 7, outcomes
