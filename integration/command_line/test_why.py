"""`jupyter-fleet why`: which kernel a client gets, and why."""

import json

import pytest

from harness.clients import execute
from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only
OK, FAILED, USAGE = 0, 1, 2


@pytest.fixture
def kernels(own_fleet):
    """Two kernels that fit alike and one of a group."""
    wishes = [["--runtime", "lua"], ["--runtime", "lua"], ["--runtime", "lua", "--group", "team"]]
    return [own_fleet.command("spawn", *wish).stdout.strip() for wish in wishes]


def test_a_kernel_that_exists(own_fleet, kernels):
    explained = own_fleet.answer("why", "--runtime", "lua")
    assert (explained["outcome"], explained["kernel"]) == ("existing", kernels[0])
    assert "oldest" in explained["reason"] and "of 2 kernels" in explained["reason"]
    assert [(kernel["id"], kernel["lacks"]) for kernel in explained["kernels"]] == [
        (kernels[0], []),
        (kernels[1], []),
        (kernels[2], ["belongs to the group team"]),
    ]


def test_the_explanation_is_what_happens(own_fleet, kernels, connect_own):
    """Fewest clients, then oldest: each client goes where `why` said before that it would."""
    for _ in range(3):
        said = own_fleet.answer("why", "--runtime", "lua")["kernel"]
        client = connect_own(runtime="lua")
        assert execute(client, "x = 1").status == "ok"
        (own,) = [one for one in own_fleet.answer("why", client.session.session).items() if one[0] == "kernel"]
        assert own[1] == said
    assert [kernel["clients"] for kernel in own_fleet.answer("list")] == [2, 1, 0]


def test_a_launch(own_fleet, kernels):
    explained = own_fleet.answer("why", "--runtime", "python3", "--group", "new")
    assert (explained["outcome"], explained["kernel"], explained["runtime"]) == ("launched", None, "python3")
    assert all("is not runtime python3" in kernel["lacks"] for kernel in explained["kernels"])
    said = own_fleet.command("why", "--fleet", json.dumps({"runtime": "python3", "group": "new"})).stdout
    assert "a new kernel of python3" in said and "none of the 3 kernels fits" in said
    assert len(own_fleet.answer("list")) == 3, "nothing was launched for the question"


def test_a_kernel_may_be_named_in_short(own_fleet, kernels):
    length = next(n for n in range(1, 9) if sum(kernel.startswith(kernels[2][:n]) for kernel in kernels) == 1)
    explained = own_fleet.answer("why", "--kernel", kernels[2][:length])
    assert (explained["outcome"], explained["kernel"]) == ("existing", kernels[2])
    unknown = own_fleet.command("why", "--kernel", "nosuch")
    assert unknown.returncode == OK and "there is no kernel nosuch" in unknown.stdout
    assert "fits" not in unknown.stdout
    assert own_fleet.command("why", "").returncode == USAGE


def test_a_refusal(own_fleet):
    explained = own_fleet.answer("why", "--language", "cobol")
    assert explained["outcome"] == "refused" and explained["kernel"] is None and explained["runtime"] is None
    lacks = {runtime["name"]: runtime["lacks"] for runtime in explained["runtimes"]}
    assert lacks["lua"] == ["speaks lua"] and lacks["python3"] == ["speaks python"]
    done = own_fleet.command("why", "--language", "cobol")
    assert done.returncode == OK and "no kernel" in done.stdout and "cobol" in done.stdout


def test_a_session(own_fleet, connect_own):
    client = connect_own(runtime="lua", group="team")
    assert execute(client, "x = 1").status == "ok"
    session, (kernel,) = client.session.session, own_fleet.answer("list")
    told = own_fleet.answer("why", session[:12])
    assert (told["session"], told["kernel"], told["live"]) == (session, kernel["id"], True)
    assert told["asked"] == "runtime=lua group=team" and "so one is launched" in told["reason"]
    assert kernel["started_at"] - 2 <= told["since"] <= kernel["started_at"] + 30
    said = own_fleet.command("why", session).stdout
    assert session in said and kernel["id"] in said and "runtime=lua group=team" in said


def test_a_session_that_nobody_has(own_fleet, connect_own):
    client = connect_own(runtime="lua")
    assert execute(client, "x = 1").status == "ok"
    done = own_fleet.command("why", "nosuchsession")
    assert done.returncode == FAILED and client.session.session in done.stderr


def test_a_binding_of_an_earlier_serve(own_fleet, connect_own):
    client = connect_own(runtime="lua")
    assert execute(client, "x = 1").status == "ok"
    before = own_fleet.answer("list")
    own_fleet.kill()
    own_fleet.restart()
    session = client.session.session
    wait_until(lambda: own_fleet.command("why", session).returncode == OK, 20, "the client to be taken up")
    assert [(kernel["id"], kernel["pid"]) for kernel in own_fleet.answer("list")] == [(before[0]["id"], before[0]["pid"])]
    assert "before this serve" in own_fleet.command("why", session).stdout
    told = own_fleet.answer("why", session)
    assert (told["kernel"], told["asked"], told["since"]) == (before[0]["id"], None, None)
