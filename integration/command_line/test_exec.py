"""`jupyter-fleet exec`: one cell from the command line, with exit codes for scripts."""

import json
import subprocess

import pexpect
import pytest

from harness.clients import execute
from harness.home import Home

pytestmark = pytest.mark.proxy_only
SECONDS = 60
OK, CODE_RAISED, USAGE, NO_FLEET = 0, 1, 2, 3


@pytest.fixture
def run_exec(fleet, binary):
    def run(*arguments, stdin="", environment=None):
        return subprocess.run(
            [binary, "exec", *arguments],
            input=stdin, env=environment or fleet.environment, cwd=fleet.home.working_dir,
            capture_output=True, text=True, timeout=SECONDS,
        )

    return run


def test_code(run_exec, group):
    done = run_exec("--group", group, "-c", "print('hi'); 6 * 7")
    assert (done.returncode, done.stdout) == (OK, "hi\n42\n")


def test_streams_stay_apart(run_exec, group):
    done = run_exec("--group", group, "-c", "import sys; print('out'); print('err', file=sys.stderr)")
    assert (done.returncode, done.stdout) == (OK, "out\n")
    assert "err\n" in done.stderr


def test_file(run_exec, group, tmp_path):
    file = tmp_path / "cell.py"
    file.write_text("print('from a file')\n")
    done = run_exec("--group", group, str(file))
    assert (done.returncode, done.stdout) == (OK, "from a file\n")


def test_code_from_stdin(run_exec, group):
    done = run_exec("--group", group, "-", stdin="print('from a pipe')\n")
    assert (done.returncode, done.stdout) == (OK, "from a pipe\n")


def test_an_error_of_the_code(run_exec, group):
    done = run_exec("--group", group, "-c", "raise ValueError('no luck')")
    assert done.returncode == CODE_RAISED
    assert "no luck" in done.stderr and done.stdout == ""


def test_a_prompt_is_answered_from_a_pipe(run_exec, group):
    done = run_exec("--group", group, "-c", "print('hello', input('name? '))", stdin="ada\n")
    assert done.returncode == OK
    assert "hello ada\n" in done.stdout


def test_a_prompt_is_answered_in_a_terminal(fleet, binary, group):
    code = "import getpass; print('hello', input('name? '), len(getpass.getpass('word? ')))"
    child = pexpect.spawn(binary, ["exec", "--group", group, "-c", code], env=fleet.environment, timeout=SECONDS, encoding="utf-8")
    child.expect_exact("name? ")
    child.sendline("ada")
    child.expect_exact("word? ")
    child.waitnoecho()
    child.sendline("hidden")
    child.expect_exact("hello ada 6")
    assert "hidden" not in child.before
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == OK


def test_exec_meets_a_client_with_equal_needs(run_exec, connect, group):
    client = connect(runtime="python3", group=group)
    assert execute(client, "shared = 'by both'").status == "ok"
    by_flags = run_exec("--runtime", "python3", "--group", group, "-c", "print(shared)")
    by_json = run_exec("--fleet", json.dumps({"runtime": "python3", "group": group}), "-c", "print(shared)")
    assert (by_flags.stdout, by_json.stdout) == ("by both\n", "by both\n")


def test_runtime_lua(run_exec, group):
    done = run_exec("--runtime", "lua", "--group", group, "-c", "print(_VERSION)")
    assert done.returncode == OK and done.stdout.startswith("Lua 5")


def test_an_unknown_runtime_is_named_with_those_that_exist(run_exec):
    done = run_exec("--runtime", "nope", "-c", "1")
    assert done.returncode == CODE_RAISED
    assert "nope" in done.stderr and "python3" in done.stderr


def test_wrong_usage(run_exec):
    done = run_exec("--no-such-flag")
    assert done.returncode == USAGE and "--no-such-flag" in done.stderr


def test_without_a_fleet_it_says_how_to_start_one(run_exec):
    home = Home()
    try:
        done = run_exec("-c", "1", environment=home.environment)
    finally:
        home.remove()
    assert done.returncode == NO_FLEET
    assert "jupyter-fleet serve" in done.stderr


def test_the_timeout_ends_the_wait(run_exec, group):
    done = run_exec("--group", group, "--timeout", "5", "-c", "import threading; threading.Event().wait()")
    assert done.returncode not in (OK, USAGE)
    assert "timeout" in done.stderr.lower() or "timed out" in done.stderr.lower()
