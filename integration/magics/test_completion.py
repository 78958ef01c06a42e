"""Questions about code that speaks to the fleet: completing, inspecting, and whether it is complete."""

import pytest

from harness.clients import reply_to
from harness.magics import own_kernel, run


def complete(client, marked):
    """What the code may become, `|` being the cursor."""
    before, after = marked.split("|")
    content = reply_to(client, client.complete(before + after, len(before)))["content"]
    assert content["status"] == "ok", content
    assert content["cursor_end"] <= len(before + after)
    return [before[: content["cursor_start"]] + match for match in content["matches"]]


def completeness(client, code):
    return reply_to(client, client.is_complete(code))["content"]["status"]


def test_words_of_the_fleet_are_completed(at_home, group):
    client = at_home()
    assert complete(client, "%fleet re|") == ["%fleet restart"]
    assert "%fleet use python3" in complete(client, "%fleet use p|")
    assert complete(client, "%fleet use runtime=pyth|\nx")[0].startswith("%fleet use runtime=python")
    assert complete(client, f"%fleet new group={group[:-1]}|") == [f"%fleet new group={group}"]
    assert complete(client, "%%fleet memory|") == ["%%fleet memory_limit="]
    kernel = own_kernel(client)
    assert complete(client, f"%fleet why kernel={kernel[:7]}|") == [f"%fleet why kernel={kernel}"]
    assert complete(client, "%fleet list\n%fleet sta|") == ["%fleet list\n%fleet status"]


def test_all_else_is_completed_by_the_kernel(at_home):
    client = at_home("python3")
    assert "%timeit" in complete(client, "%ti|")
    assert "%fleet status\nimport" in complete(client, "%fleet status\nimpor|")
    assert "x = '%fleet'\nimport" in complete(client, "x = '%fleet'\nimpor|")


def test_what_is_to_run_elsewhere_is_completed_there(at_home):
    client = at_home("python3")
    run(client, "%%fleet lua\nfirst_name = 'Ada'")
    assert complete(client, "%%fleet lua\nprint(first_n|") == ["%%fleet lua\nprint(first_name"]


def test_for_a_question_alone_no_kernel_is_launched(at_home, fleet):
    client = at_home()
    assert complete(client, "%%fleet deno\nDen|") == []
    assert completeness(client, "%%fleet deno\nDen") in ("incomplete", "unknown")
    assert "deno" not in {kernel["runtime"] for kernel in fleet.answer("list") if kernel["clients"] == 0}


@pytest.mark.parametrize("code", ["%fleet", "%fleet list", "\n%fleet use lua\n", "%fleet nonsense", "%fleet status\n%fleet list"])
def test_a_line_is_complete(at_home, code):
    assert completeness(at_home("python3"), code) == "complete"


def test_what_follows_a_line_is_for_the_kernel_to_judge(at_home):
    client = at_home("python3")
    assert completeness(client, "%fleet status\nfor x in y:") == "incomplete"
    assert completeness(client, "%fleet status\nx = 1") == "complete"
    assert completeness(client, "%fleet status\nx = )") == "invalid"


def test_a_cell_for_elsewhere_is_complete_with_an_empty_line(at_home):
    client = at_home("python3")
    assert completeness(client, "%%fleet lua") == "incomplete"
    assert completeness(client, "%%fleet lua\nprint(1)") == "incomplete"
    assert completeness(client, "%%fleet lua\nprint(1)\n") == "complete"


def test_help_is_a_tooltip_too(at_home):
    client = at_home()
    code = "%fleet use "
    content = reply_to(client, client.inspect(code, len(code)))["content"]
    assert content["found"] and "%fleet use" in content["data"]["text/plain"]
