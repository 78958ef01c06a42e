"""The commands that look after a running fleet: what they do, what they say, how they end."""

import itertools

import pexpect
import psutil
import pytest

from harness.clients import execute, next_message, reply_to
from harness.deadline import Deadline, wait_until
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only
OK, FAILED, USAGE, NO_FLEET = 0, 1, 2, 3
BROKEN = """
[runtimes.broken]
argv = ["sh", "-c", "echo no luck; exit 7", "{connection_file}"]
language = "sh"
"""
SLOW = """
[runtimes.slow]
argv = ["sh", "-c", "sleep 100", "{connection_file}"]
language = "sh"
"""


def spawn(fleet, *arguments):
    done = fleet.command("spawn", *(arguments or ("--runtime", "lua")))
    assert done.returncode == OK, done.stderr
    return done.stdout.strip()


def ids(fleet):
    return [kernel["id"] for kernel in fleet.answer("list")]


def run_lua(fleet, code, *arguments):
    done = fleet.command("exec", "--runtime", "lua", *arguments, "-c", code)
    assert done.returncode == OK, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    ["list", "spawn", "stop --all", "stop 0a", "restart 0a", "interrupt 0a", "logs 0a", "connect 0a", "why", "why 0a", "status"],
)
def test_without_a_fleet_each_says_how_to_start_one(launch, command):
    fleet = launch()
    try:
        done = fleet.command(*command.split())
    finally:
        fleet.clear()
    assert (done.returncode, done.stdout) == (NO_FLEET, "")
    assert "no fleet is running" in done.stderr and "jupyter-fleet serve" in done.stderr


@pytest.mark.parametrize("command", ["stop", "stop --all 0a", "restart", "restart a/b", "logs", "connect", "spawn --isolated", "why --fleet [1]"])
def test_wrong_usage(own_fleet, command):
    done = own_fleet.command(*command.split())
    assert done.returncode == USAGE and "try '--help'" in done.stderr


def test_each_commands_help_tells_its_exit_codes(own_fleet):
    for command in ("list", "spawn", "stop", "restart", "interrupt", "logs", "connect", "why", "status", "completions", "man"):
        done = own_fleet.command(command, "--help")
        assert done.returncode == OK and "Exit code: 0" in done.stdout, command


def test_spawn_prints_the_id_of_a_kernel_that_is_up(own_fleet):
    kernel = spawn(own_fleet)
    (listed,) = own_fleet.answer("list")
    assert (listed["id"], listed["runtime"], listed["language"], listed["status"]) == (kernel, "lua", "lua", "idle")
    assert (listed["clients"], listed["group"], listed["reserve"], listed["isolated"]) == (0, None, False, False)
    assert psutil.pid_exists(listed["pid"]) and listed["log"].endswith(f"kernel-{kernel}.log")


def test_list_is_a_table_for_people(own_fleet):
    assert "jupyter-fleet spawn" in own_fleet.command("list").stdout
    kernel = spawn(own_fleet, "--runtime", "lua", "--group", "team")
    heading, row = own_fleet.command("list").stdout.splitlines()
    assert heading.split() == ["ID", "RUNTIME", "STATUS", "PID", "CLIENTS", "GROUP", "MEMORY", "HELD", "BY", "UP"]
    pid = own_fleet.answer("list")[0]["pid"]
    assert row.split()[:6] == [kernel, "lua", "idle", str(pid), "0", "team"]


def test_clients_that_ask_for_the_same_share_a_spawned_kernel(own_fleet):
    plain, team = spawn(own_fleet), spawn(own_fleet, "--runtime", "lua", "--group", "team")
    run_lua(own_fleet, "x = 'plain'")
    run_lua(own_fleet, "x = 'team'", "--group", "team")
    assert ids(own_fleet) == [plain, team], "nothing else was launched"
    assert run_lua(own_fleet, "print(x)") == "plain\n"
    assert run_lua(own_fleet, "print(x)", "--kernel", team) == "team\n"


def test_on_a_terminal_the_wait_is_shown(own_fleet):
    child = pexpect.spawn(own_fleet.binary, ["spawn", "--runtime", "python3"], env=own_fleet.environment, timeout=60, encoding="utf-8")
    child.expect("^([0-9a-f]{8})\r\n")
    kernel = child.match.group(1)
    child.expect_exact(f"launching kernel {kernel} ")
    child.expect_exact(f"kernel {kernel} (python3) is up")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == OK


def test_spawn_without_waiting(own_fleet):
    kernel = spawn(own_fleet, "--runtime", "lua", "--no-wait")
    wait_until(lambda: own_fleet.answer("list")[0]["status"] == "idle", 20, "the kernel to be up")
    assert ids(own_fleet) == [kernel]


@pytest.mark.parametrize("own_fleet", [{"config": CONFIG + BROKEN}], indirect=True)
def test_a_kernel_that_never_comes_up(own_fleet):
    done = own_fleet.command("spawn", "--runtime", "broken")
    assert done.returncode == FAILED and f"kernel {done.stdout.strip()} " in done.stderr
    assert len(done.stdout.strip()) == 8, "its id, which was printed before the wait"
    assert "did not come up" in done.stderr and "exit code 7" in done.stderr and "no luck" in done.stderr
    assert ids(own_fleet) == []


def test_what_cannot_be_launched_is_refused_in_words(own_fleet):
    done = own_fleet.command("spawn", "--runtime", "nope")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "there is no runtime nope" in done.stderr and "lua" in done.stderr
    done = own_fleet.command("spawn", "--fleet", '{"runtmie": "lua"}')
    assert done.returncode == FAILED and "runtmie" in done.stderr


def test_stop_ends_a_kernel_and_says_how_many_clients_it_had(own_fleet, connect_own):
    client = connect_own(runtime="lua")
    assert execute(client, "x = 1").status == "ok"
    (kernel,) = own_fleet.answer("list")
    done = own_fleet.command("stop", kernel["id"])
    assert done.returncode == OK and f"kernel {kernel['id']} is stopped; it had 1 client\n" == done.stdout
    assert not psutil.pid_exists(kernel["pid"]) and ids(own_fleet) == []
    assert execute(client, "print(x)").stream() == "nil\n", "the next request gets a new kernel"


def test_clients_are_told_of_the_operators_stop_under_their_last_cell(own_fleet, connect_own):
    client = connect_own(runtime="lua")
    cell = execute(client, "x = 1").reply["parent_header"]["msg_id"]
    (kernel,) = ids(own_fleet)
    assert own_fleet.command("stop", kernel).returncode == OK
    text = f"kernel {kernel} (lua) was stopped by the operator; the next request gets a new kernel]"
    assert wait_for(client, text)["parent_header"]["msg_id"] == cell


@pytest.mark.parametrize("own_fleet", [{"config": 'default_runtime = "lua"\n'}], indirect=True)
def test_a_warm_kernel_that_is_stopped_is_replaced(own_fleet):
    wait_until(lambda: len(ids(own_fleet)) == 1, 20, "the warm kernel")
    [warm] = ids(own_fleet)
    assert own_fleet.command("stop", warm).returncode == OK
    wait_until(lambda: len(ids(own_fleet)) == 1 and warm not in ids(own_fleet), 20, "another warm kernel")


def test_stop_all(own_fleet):
    kernels = {spawn(own_fleet), spawn(own_fleet), spawn(own_fleet, "--runtime", "lua", "--group", "team")}
    assert {stopped["id"] for stopped in own_fleet.answer("stop", "--all")} == kernels
    assert ids(own_fleet) == [] and own_fleet.kernel_processes() == []
    assert own_fleet.command("stop", "--all").returncode == OK


def test_a_request_that_waits_when_its_kernel_is_stopped_is_told(own_fleet, connect_own):
    client = connect_own(runtime="python3")
    msg_id = client.execute("print('here', flush=True)\nimport time; time.sleep(60)")
    wait_for(client, "here")
    (kernel,) = ids(own_fleet)
    assert own_fleet.command("stop", kernel).returncode == OK
    content = reply_to(client, msg_id)["content"]
    assert content["status"] == "error" and "was stopped" in content["evalue"]


def test_an_unknown_id_is_answered_with_those_that_exist(own_fleet):
    kernel = spawn(own_fleet)
    for command in ("stop", "restart", "interrupt", "logs", "connect"):
        done = own_fleet.command(command, "nosuch")
        assert (done.returncode, done.stdout) == (FAILED, ""), command
        assert "there is no kernel nosuch" in done.stderr and kernel in done.stderr, command
    assert ids(own_fleet) == [kernel]
    own_fleet.command("stop", kernel)
    done = own_fleet.command("restart", kernel)
    assert done.returncode == FAILED and "was stopped" in done.stderr


def test_an_id_may_be_shortened_while_it_is_clear(own_fleet):
    """Of 17 ids, two begin with the same digit."""
    kernels = [spawn(own_fleet, "--runtime", "lua", "--no-wait") for _ in range(17)]
    same = next((one, two) for one, two in itertools.combinations(kernels, 2) if one[0] == two[0])
    done = own_fleet.command("stop", same[0][0])
    assert done.returncode == FAILED and all(kernel in done.stderr for kernel in same)
    assert len(ids(own_fleet)) == 17
    length = next(n for n in range(1, 9) if sum(kernel.startswith(same[0][:n]) for kernel in kernels) == 1)
    assert own_fleet.answer("stop", same[0][:length]) == [{"id": same[0], "clients": 0}]


def test_restart_happens_in_place_and_clients_are_told_by_whom(own_fleet, connect_own):
    client = connect_own(runtime="lua")
    cell = execute(client, "x = 1")
    (before,) = own_fleet.answer("list")
    done = own_fleet.command("restart", before["id"], environment={"USER": "ada"})
    assert done.returncode == OK and "is restarted; 1 client was told" in done.stdout
    notice = wait_for(client, "restarted by the operator (ada)")
    assert notice["parent_header"]["msg_id"] == cell.reply["parent_header"]["msg_id"]
    (after,) = own_fleet.answer("list")
    assert after["id"] == before["id"] and after["pid"] != before["pid"] and after["clients"] == 1
    assert execute(client, "print(x)").stream() == "nil\n"


@pytest.mark.parametrize("own_fleet", [{"config": CONFIG + SLOW}], indirect=True)
def test_a_kernel_that_is_starting_is_not_restarted(own_fleet):
    kernel = spawn(own_fleet, "--runtime", "slow", "--no-wait")
    done = own_fleet.command("restart", kernel)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert f"kernel {kernel} (slow) is starting; wait for it or stop it" in done.stderr
    assert own_fleet.command("stop", kernel).returncode == OK


@pytest.mark.parametrize(("runtime", "loop"), [("python3", "while True: pass"), ("lua", "while true do end")])
def test_interrupt_in_the_runtimes_own_way(own_fleet, connect_own, runtime, loop):
    client = connect_own(runtime=runtime)
    msg_id = client.execute(f"print('looping')\n{loop}")
    wait_for(client, "looping")
    (kernel,) = own_fleet.answer("list")
    assert kernel["status"] == "busy"
    assert own_fleet.command("interrupt", kernel["id"]).returncode == OK
    assert reply_to(client, msg_id)["content"]["status"] == "error"
    assert execute(client, "print('alive')").stream() == "alive\n"


def wait_for(client, text):
    """Waits for a stream that says `text`, and returns it."""
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: text)
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return message


def test_status(own_fleet):
    spawn(own_fleet)
    run_lua(own_fleet, "x = 1")
    status = own_fleet.answer("status")
    assert status["pid"] == own_fleet.process.pid and status["kernels"] == 1
    assert status["tasks"] > 1
    assert status["connection_file"] == str(own_fleet.published_file)
    assert status["addresses"]["shell"] == f"tcp://127.0.0.1:{own_fleet.info['shell_port']}"
    assert status["counters"]["requests"] >= 1 and status["limits"]["launch_ms"] > 0
    said = own_fleet.command("status").stdout
    assert f"process {own_fleet.process.pid}" in said and status["addresses"]["iopub"] in said and "launch_ms" in said
    assert own_fleet.info["key"] not in said + str(status)


def test_the_socket_of_a_serve_that_was_killed_is_replaced(launch):
    fleet = launch()
    try:
        fleet.start()
        fleet.kill()
        assert (fleet.home.runtime_dir / ".fleet/admin.sock").is_socket()
        assert fleet.command("list").returncode == NO_FLEET
        fleet.restart()
        assert fleet.command("list").returncode == OK
        fleet.stop()
    finally:
        fleet.clear()


def test_a_second_serve_in_the_same_place_is_refused(own_fleet):
    done = own_fleet.command("serve", "--connection-file", str(own_fleet.home.path / "other.json"))
    assert done.returncode == FAILED and f"process {own_fleet.process.pid}" in done.stderr
    assert own_fleet.command("list").returncode == OK


def test_completions_and_manual_pages_need_no_fleet(binary, launch):
    fleet = launch()
    try:
        script = fleet.command("completions", "bash")
        page = fleet.command("man")
        assert script.returncode == page.returncode == OK
        assert "interrupt" in script.stdout and "jupyter" in page.stdout
        assert fleet.command("man", ".").returncode == OK
        assert (fleet.home.working_dir / "jupyter-fleet-spawn.1").is_file()
    finally:
        fleet.clear()
