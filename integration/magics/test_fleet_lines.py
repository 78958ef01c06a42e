"""`%fleet` on a cell's first line: what it shows, and what it changes."""

import pytest

from harness.clients import execute, kinds
from harness.kernel_files import kernels
from harness.magics import KERNEL_ID, ask, own_kernel, run, shown, wait_for_start

ASKING = ["%fleet", "%fleet status", "%fleet list", "%fleet runtimes", "%fleet why", "%fleet why bash", "%fleet help"]
PROCESS_ID = "import os; os.getpid()"


@pytest.mark.parametrize("line", [*ASKING, "\n  %fleet status\n\n", "%fleet?"])
def test_a_page_comes_as_a_kernel_would_send_it(at_home, line):
    client = at_home()
    done = run(client, line)
    assert kinds(done.messages) == ["busy", "execute_input", "display_data", "idle"]
    assert done.of_type("execute_input")[0]["code"] == line
    [page] = done.of_type("display_data")
    text, html = page["data"]["text/plain"], page["data"]["text/html"]
    assert page["metadata"] == {} and text.strip() and "\x1b" not in text
    assert html.startswith("<") and "<script" not in html and "class=" not in html
    reply = done.reply["content"]
    assert (reply["status"], reply["payload"], reply["user_expressions"]) == ("ok", [], {})
    parents = {(message["parent_header"]["msg_id"], message["parent_header"]["msg_type"]) for message in done.messages}
    assert parents == {(done.reply["parent_header"]["msg_id"], "execute_request")}


def test_status_tells_which_kernel_it_is_and_who_shares_it(at_home, group, fleet):
    client = at_home()
    alone = ask(client, "%fleet")
    assert KERNEL_ID.search(alone)[0] in kernels(fleet)
    assert "lua" in alone and group in alone and "Nobody else" in alone
    client.session.username, other = "ada", at_home()
    other.session.username = "grace"
    assert run(other, "print(home)").status == "ok"
    shared = ask(client, "%fleet status")
    assert "1 other client" in shared
    assert "ada (you)" in shared and "grace" in shared


def test_status_tells_the_memory_limit(connect, group):
    client = connect(runtime="lua", group=group, memory_limit="512M")
    run(client, "x = 1")
    assert "512M" in ask(client, "%fleet")


def test_list_shows_all_kernels_and_which_is_mine(at_home, connect, group, fleet):
    client = at_home()
    other = connect(runtime="lua", group=f"{group}-other")
    run(other, "x = 1")
    listed = ask(client, "%fleet list")
    assert set(KERNEL_ID.findall(listed)) == kernels(fleet)
    [mine] = [line for line in listed.splitlines() if "yours" in line]
    assert own_kernel(client) in mine and group in mine


def test_runtimes_shows_what_can_be_launched(at_home, fleet):
    shown_names = {line.split()[0] for line in ask(at_home(), "%fleet runtimes").splitlines() if line.strip()}
    assert {runtime["name"] for runtime in fleet.answer("runtimes")} <= shown_names


def test_why_tells_what_was_asked_and_what_would_be_given(at_home, group, fleet):
    client = at_home()
    before = kernels(fleet)
    page = ask(client, "%fleet why")
    assert own_kernel(client) in page and "runtime=lua" in page and group in page
    page = ask(client, "%fleet why runtime=bash")
    assert "a new kernel of bash" in page
    page = ask(client, "%fleet why runtime=nope")
    assert "no kernel" in page and "nope" in page
    assert kernels(fleet) <= before, "asking launches nothing"


def test_who_has_no_kernel_yet_is_told_so_and_gets_none(own_fleet, connect_own):
    client = connect_own(ready=False)
    for line in ASKING:
        ask(client, line)
    assert "no kernel" in ask(client, "%fleet")
    assert kernels(own_fleet) == set()


def test_use_moves_the_binding_and_the_rest_of_the_cell_runs_there(connect, group):
    client = connect()
    assert execute(client, "x = 5").status == "ok"
    done = run(client, f"%fleet use runtime=lua group={group}\nprint(_VERSION)")
    assert done.stream().startswith("Lua 5")
    assert "lua" in shown(done)
    assert execute(client, "print(_VERSION)").stream().startswith("Lua 5"), "the binding has moved"
    status = ask(client, "%fleet")
    assert "lua" in status and group in status
    ask(client, "%fleet use python3 group=")
    assert execute(client, "x").result == "5", "what it left is still there"


@pytest.mark.parametrize("line", ["%fleet use lua", "%fleet status", "%fleet new", "%fleet restart"])
def test_with_more_behind_it_the_cell_is_busy_first_and_idle_once(at_home, line):
    done = run(at_home(), f"{line}\nprint('done')")
    said = kinds(done.messages)
    assert (said[0], said[-1], said.count("idle")) == ("busy", "idle", 1), said
    assert (done.status, done.stream()) == ("ok", "done\n")


def test_use_of_what_one_has_changes_nothing(at_home):
    client = at_home()
    before = own_kernel(client)
    ask(client, "%fleet use lua")
    assert own_kernel(client) == before
    assert run(client, "print(home)").stream() == "here\n"


def test_two_clients_that_use_the_same_share_it(connect, group):
    first, second = connect(), connect()
    for client in (first, second):
        ask(client, f"%fleet use lua group={group}")
    run(first, "shared = 'yes'")
    assert run(second, "print(shared)").stream() == "yes\n"


def test_new_gives_another_kernel_of_the_same_kind(at_home, fleet):
    client = at_home()
    before, all_before = own_kernel(client), kernels(fleet)
    page = ask(client, "%fleet new")
    new = own_kernel(client)
    assert new != before and new not in all_before and new in page
    assert run(client, "print(home)").stream() == "nil\n"
    assert "lua" in ask(client, "%fleet")


def test_restart_restarts_the_kernel_in_place(at_home):
    client = at_home("python3")
    before, process = own_kernel(client), execute(client, PROCESS_ID).result
    ask(client, "%fleet restart")
    assert execute(client, PROCESS_ID).result != process
    assert own_kernel(client) == before
    assert execute(client, "home").error["ename"] == "NameError"


def test_restart_and_the_rest_of_the_cell(at_home):
    client = at_home("python3")
    done = run(client, "%fleet restart\nprint('home' in globals())")
    assert (done.status, done.stream()) == ("ok", "False\n")


def test_several_lines_are_done_in_turn(at_home):
    done = run(at_home(), "%fleet use bash\n%fleet status\n\n%fleet why\necho there")
    assert (done.status, done.stream()) == ("ok", "there\n")
    pages = [page["data"]["text/plain"] for page in done.of_type("display_data")]
    assert len(pages) == 3 and "bash" in pages[1]


def test_asking_does_not_wait_for_a_cell_that_runs(at_home):
    client = at_home()
    runs = client.execute("print('started') while true do end")
    wait_for_start(client)
    assert "busy" in ask(client, "%fleet")
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    assert client.get_shell_msg(timeout=30)["parent_header"]["msg_id"] == runs


def test_nobody_else_on_the_kernel_hears_of_it(at_home, connect_process, group):
    client = at_home()
    other = connect_process(runtime="lua", group=group)
    other.ready()
    asked = [run(client, line).reply["parent_header"]["msg_id"] for line in ASKING]
    word = run(client, "print('a cell')").reply["parent_header"]["msg_id"]
    assert other.execute("print('done')")["stdout"] == "done\n"
    heard = "".join(other.everything_heard())
    assert word in heard
    assert [msg_id for msg_id in asked if msg_id in heard] == []
