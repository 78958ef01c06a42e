"""llmspell interrupted, restarted, shut down, killed and kept within limits: its process lives and ends with its adapter."""

import json

import psutil
import pytest

from harness.clients import execute, finish, reply_to, request
from harness.deadline import wait_until
from llmspell_fleet import CONFIG, STAND_IN, table

pytestmark = pytest.mark.proxy_only
LOOP = "while true do end"
END_SECONDS = 30
own = pytest.mark.parametrize("own_fleet", [{"config": CONFIG}], indirect=True)


def stand_ins(fleet):
    """The running llmspells; not their adapters, whose command names them as well."""
    found = []
    for process in fleet.kernel_processes():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if STAND_IN[1] in command and "llmspell-kernel" not in command and "end-with-parent" not in command:
            found.append(process)
    return found


def one_stand_in(fleet):
    def only():
        found = stand_ins(fleet)
        return found[0] if len(found) == 1 else None

    return wait_until(only, END_SECONDS, "one llmspell")


def is_gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def adapter(fleet):
    [process] = [each for each in fleet.kernel_processes() if "llmspell-kernel" in each.cmdline()]
    return process


def ids(fleet):
    return [kernel["id"] for kernel in fleet.answer("list")]


@own
def test_an_interrupt_ends_the_cell_and_says_that_the_variables_are_gone(own_fleet, connect_own):
    client = connect_own()
    execute(client, "kept = 1")
    before = one_stand_in(own_fleet)
    msg_id, queued = client.execute(LOOP), client.execute("print('not run')")
    until_busy(own_fleet)
    assert request(client, "interrupt_request", channel="control")["content"]["status"] == "ok"
    done = finish(client, msg_id)
    assert (done.status, done.error["ename"]) == ("error", "KeyboardInterrupt")
    assert "variables are gone" in done.error["evalue"]
    assert reply_to(client, queued)["content"]["status"] == "aborted"
    assert execute(client, "kept").result is None
    assert execute(client, "1 + 1").reply["content"]["execution_count"] == 4
    assert is_gone(before) and one_stand_in(own_fleet).pid != before.pid
    assert ids(own_fleet)


@own
def test_an_interrupt_of_nothing_costs_nothing(own_fleet, connect_own):
    client = connect_own()
    execute(client, "kept = 1")
    assert request(client, "interrupt_request", channel="control")["content"]["status"] == "ok"
    assert execute(client, "kept").result == "1"


@pytest.mark.parametrize("own_fleet", [{"config": CONFIG + 'interrupt_mode = "signal"\n'}], indirect=True)
def test_an_interrupt_by_a_signal_is_the_same(own_fleet, connect_own):
    """SIGINT goes to the adapter's process group, in which llmspell is not."""
    client = connect_own()
    msg_id = client.execute(LOOP)
    until_busy(own_fleet)
    assert request(client, "interrupt_request", channel="control")["content"]["status"] == "ok"
    assert "variables are gone" in finish(client, msg_id).error["evalue"]
    assert execute(client, "1 + 1").result == "2"


def until_busy(fleet):
    """Waits until llmspell uses the processor for a cell."""
    process = one_stand_in(fleet)
    begun = process.cpu_times().user
    wait_until(lambda: process.cpu_times().user > begun + 0.1, END_SECONDS, "the cell to run")


@own
def test_the_heartbeat_answers_while_a_cell_runs(own_fleet, connect_own):
    client = connect_own()
    client.hb_channel.unpause()
    msg_id = client.execute(LOOP)
    until_busy(own_fleet)
    [kernel] = own_fleet.answer("list")
    assert kernel["status"] != "unresponsive"
    assert client.hb_channel.is_beating()
    assert request(client, "kernel_info_request", channel="control")["content"]["implementation"] == "llmspell"
    request(client, "interrupt_request", channel="control")
    assert finish(client, msg_id).status == "error"


@own
def test_a_restart_begins_without_variables_and_leaves_nothing(own_fleet, connect_own):
    client = connect_own()
    execute(client, "kept = 1")
    before = one_stand_in(own_fleet)
    assert request(client, "shutdown_request", {"restart": True}, channel="control")["content"]["status"] == "ok"
    wait_until(lambda: execute(client, "kept").result is None, END_SECONDS, "a kernel without variables")
    wait_until(lambda: is_gone(before), END_SECONDS, "the old llmspell to end")
    assert one_stand_in(own_fleet).pid != before.pid


@own
@pytest.mark.parametrize("code", ["x = 1", LOOP])
def test_a_shutdown_ends_llmspell_idle_or_looping(own_fleet, connect_own, code):
    client = connect_own()
    client.execute(code)
    llmspell = one_stand_in(own_fleet)
    assert request(client, "shutdown_request", {"restart": False}, channel="control")["content"]["status"] == "ok"
    wait_until(lambda: is_gone(llmspell) and not stand_ins(own_fleet), END_SECONDS, "llmspell to end")
    files = own_fleet.home.runtime_dir / ".fleet"
    wait_until(lambda: not list(files.glob("announced-*")), END_SECONDS, "its connection file to be removed")


@own
def test_a_death_is_told_and_its_kernel_comes_back(own_fleet, connect_own):
    client = connect_own()
    execute(client, "kept = 1")
    [kernel] = ids(own_fleet)
    msg_id = client.execute(LOOP)
    until_busy(own_fleet)
    one_stand_in(own_fleet).kill()
    assert finish(client, msg_id).error["ename"] == "KernelDied"
    assert execute(client, "kept").result is None
    assert ids(own_fleet) == [kernel]
    assert "llmspell has ended (signal: 9" in own_fleet.command("logs", kernel).stdout


@own
def test_a_cell_that_ends_the_process_is_told(own_fleet, connect_own):
    client = connect_own()
    done = finish(client, client.execute("os.exit(3)"))
    assert (done.status, done.error["ename"]) == ("error", "KernelDied")
    [kernel] = ids(own_fleet)
    assert "llmspell has ended (exit status: 3)" in own_fleet.command("logs", kernel).stdout
    assert execute(client, "1 + 1").result == "2"


@own
def test_a_killed_adapter_takes_llmspell_with_it(own_fleet, connect_own):
    client = connect_own()
    msg_id = client.execute(LOOP)
    until_busy(own_fleet)
    llmspell = one_stand_in(own_fleet)
    adapter(own_fleet).kill()
    assert reply_to(client, msg_id)["content"]["status"] == "error"
    wait_until(lambda: is_gone(llmspell), END_SECONDS, "llmspell to end")


@own
def test_its_connection_file_is_for_its_user_alone(own_fleet, connect_own):
    execute(connect_own(), "1")
    [file] = (own_fleet.home.runtime_dir / ".fleet").glob("announced-*.json")
    assert file.stat().st_mode & 0o777 == 0o600


LIMITED = CONFIG + table("small", 'memory_limit = "256M"')
GROW = "hoard = {} for step = 1, 4000 do hoard[step] = string.rep(string.char(step % 256), 2^20) end"


@pytest.mark.parametrize("own_fleet", [{"config": LIMITED}], indirect=True)
def test_llmspell_is_within_the_kernels_limits(own_fleet, connect_own):
    if "held by cgroup v" not in own_fleet.stderr:
        pytest.skip("this user cannot make cgroups here")
    client = connect_own(runtime="small")
    done = finish(client, client.execute(GROW), 60)
    assert "memory limit 256M exceeded" in done.error["evalue"], done.error
    assert execute(client, "1 + 1").result == "2"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--id", "kept", "--config", "my.toml"],
        ["--port={port}", "--connection-file={connection_file}", "--config", "my.toml"],
    ],
)
def test_the_flags_of_the_command_are_kept(fleet_of, arguments):
    fleet, connect = fleet_of('default_runtime = "spelled"\n' + table("spelled", "pool = 0", arguments=arguments))
    client = connect()
    expected = '"my.toml"' if "my.toml" in arguments else '""'
    assert execute(client, "os.getenv('LLMSPELL_CONFIG')").result == expected
    command = one_stand_in(fleet).cmdline()
    assert all(word in command for word in arguments if "{" not in word), command


def test_a_table_that_announces_its_connection_works_with_the_one_line(fleet_of):
    lines = ['connection = "announced"', 'providers = ["openai"]', 'interrupt_mode = "message"']
    _, connect = fleet_of(table("lua-openai", *lines))
    assert execute(connect(providers=["openai"]), "1 + 1").result == "2"


def test_a_command_of_a_shell_works(fleet_of):
    script = " ".join(["exec", *STAND_IN, "--port {port} --connection-file {connection_file}"])
    argv = json.dumps(["sh", "-c", script])
    config = f'default_runtime = "shell"\n[runtimes.shell]\nargv = {argv}\nadapter = "llmspell"\nlanguage = "lua"\n'
    _, connect = fleet_of(config)
    assert execute(connect(), "1 + 1").result == "2"


def test_what_ends_before_it_is_ready_says_why(fleet_of, tmp_path):
    config = tmp_path / "key.toml"
    config.write_text('api_key_env = "NO_SUCH_KEY_IS_SET"\n')
    fleet, connect = fleet_of('default_runtime = "lua"\n' + table("keyless", arguments=["--config", str(config)]))
    client = connect(ready=False)
    client.session.metadata = {"fleet": {"runtime": "keyless"}}
    done = finish(client, client.execute("1"), 60)
    assert done.status == "error"
    logs = "".join(file.read_text() for file in (fleet.home.runtime_dir / ".fleet").glob("kernel-*.log"))
    assert "NO_SUCH_KEY_IS_SET is not set" in logs and "llmspell ended before it was ready" in logs


@own
def test_the_next_serve_finds_it_with_its_variables(own_fleet, connect_own):
    client = connect_own()
    execute(client, "kept = 1")
    before = one_stand_in(own_fleet)
    own_fleet.kill()
    own_fleet.restart()
    assert execute(client, "kept").result == "1"
    assert one_stand_in(own_fleet).pid == before.pid


OTHER = CONFIG.replace('language = "lua"', 'language = "javascript"\nenv = { STAND_IN_LANGUAGE = "javascript" }')


@pytest.mark.parametrize("own_fleet", [{"config": OTHER}], indirect=True)
def test_cells_of_another_language_run_as_they_are(own_fleet, connect_own):
    client = connect_own()
    assert reply_to(client, client.kernel_info())["content"]["language_info"]["name"] == "javascript"
    done = execute(client, "for number = 1, 20 do print(number) end return {a = 1}")
    assert (done.status, done.result) == ("ok", '{"a":1}')
    assert done.stream() == "".join(f"{number}\n" for number in range(1, 21))
    done = execute(client, "print('before') error('boom')")
    assert (done.status, done.stream(), done.error["ename"]) == ("error", "before\n", "Error")
    assert "boom" in done.error["evalue"]
    assert execute(client, "x = 1").result is None and execute(client, "").status == "ok"
    assert reply_to(client, client.is_complete("("))["content"]["status"] == "unknown"
    assert reply_to(client, client.complete("pri"))["content"]["matches"] == []
    msg_id = client.execute(LOOP)
    until_busy(own_fleet)
    request(client, "interrupt_request", channel="control")
    assert "variables are gone" in finish(client, msg_id).error["evalue"]
    assert execute(client, "return x").result is None


def refusal(launch, config):
    """What serve says to a config that it refuses."""
    fleet = launch(config=config)
    try:
        done = fleet.command("runtimes")
        assert done.returncode == 1, done.stdout
        return done.stderr
    finally:
        fleet.clear()


def test_daemon_is_refused_in_words(launch):
    text = refusal(launch, table("away", arguments=["--daemon"]))
    assert "away" in text and "--daemon" in text and "leave --daemon out" in text


def test_an_adapter_needs_a_command(launch):
    assert "argv" in refusal(launch, '[runtimes.lua]\nadapter = "llmspell"\n')


def test_a_missing_program_is_named_at_once(fleet_of):
    config = '[runtimes.lua]\npool = 0\n[runtimes.none]\nargv = ["no-such-llmspell"]\nadapter = "llmspell"\nlanguage = "lua"\n'
    fleet, connect = fleet_of('default_runtime = "lua"\n' + config)
    client = connect(ready=False)
    client.session.metadata = {"fleet": {"runtime": "none"}}
    done = finish(client, client.execute("1"), 60)
    assert "no-such-llmspell" in done.error["evalue"]
