"""What a kernel gets of the host that it is launched for: its environment, its directory, its arguments."""

from harness.clients import execute, new_client, next_message
from harness.deadline import Deadline, wait_until
from test_absence import lasting_fleet  # noqa: F401 (a fixture)

SECRET = "a value that nobody writes down"
PYTHON = ("--runtime", "python3", "--group", "g")


def variable(client, name):
    return execute(client, f"import os; os.environ.get({name!r})").result


def test_environment_and_directory_are_the_hosts(lasting_fleet, host_of):
    host = host_of(lasting_fleet.home, *PYTHON, environment={"OF_THE_HOST": SECRET, "JPY_SESSION_NAME": "a/b.ipynb"})
    client = host.client()
    assert variable(client, "OF_THE_HOST") == repr(SECRET)
    assert variable(client, "JPY_SESSION_NAME") == "'a/b.ipynb'"
    assert variable(client, "JPY_PARENT_PID") is None, "the kernel would end with the host"
    assert execute(client, "os.getcwd()").result == repr(str(lasting_fleet.home.working_dir))
    files = [path for path in lasting_fleet.home.path.rglob("*") if path.is_file() and "fleet" in str(path)]
    assert files and not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_client_of_the_published_file_has_the_fleets_environment(lasting_fleet, host_of):
    assert execute(host_of(lasting_fleet.home, *PYTHON, environment={"OF_THE_HOST": SECRET}).client(), "1").status == "ok"
    other = new_client(lasting_fleet.published_file, {"runtime": "python3", "group": "other"})
    other.start_channels()
    try:
        assert variable(other, "OF_THE_HOST") is None
    finally:
        other.stop_channels()


def test_a_kernel_that_starts_again_has_the_same_environment_also_by_the_next_serve(lasting_fleet, host_of):
    client = host_of(lasting_fleet.home, *PYTHON, environment={"OF_THE_HOST": SECRET}).client()
    assert execute(client, "1").status == "ok"
    for _ in range(2):
        assert execute(client, "%fleet restart", seconds=60).status == "ok"
        assert variable(client, "OF_THE_HOST") == repr(SECRET)
        lasting_fleet.kill()
        lasting_fleet.restart()
        assert execute(client, "1", seconds=60).status == "ok"


def test_a_kernel_that_starts_again_without_its_environment_says_so(lasting_fleet, host_of):
    host = host_of(lasting_fleet.home, *PYTHON, environment={"OF_THE_HOST": SECRET})
    assert execute(host.client(), "1").status == "ok"
    other = new_client(lasting_fleet.published_file, {"runtime": "python3", "group": "g"})
    other.start_channels()
    try:
        assert variable(other, "OF_THE_HOST") == repr(SECRET)
        host.kill()
        lasting_fleet.kill()
        lasting_fleet.restart()
        assert execute(other, "1", seconds=60).status == "ok"
        (kernel,) = [kernel for kernel in lasting_fleet.answer("list") if kernel["group"] == "g"]
        assert lasting_fleet.command("restart", kernel["id"]).returncode == 0
        deadline = Deadline(30)
        while "without the environment" not in (message := next_message(other, "iopub", deadline, lambda: "a notice"))["content"].get("text", ""):
            pass
        assert kernel["id"] in message["content"]["text"]
        wait_until(lambda: variable(other, "OF_THE_HOST") is None, 30, "the next process")
    finally:
        other.stop_channels()


def test_what_a_host_appends_reaches_its_kernel(lasting_fleet, host_of):
    host = host_of(lasting_fleet.home, *PYTHON, "--HistoryManager.hist_file=:memory:")
    assert execute(host.client(), "get_ipython().history_manager.hist_file").result == "':memory:'"


def test_what_a_host_appends_ends_nothing(lasting_fleet, host_of):
    """Names of files, flags of other programs: the built-in kernel takes none."""
    host = host_of(lasting_fleet.home, "--runtime", "lua", "--matplotlib=inline", "notebook.ipynb", "-x", environment={"JUPYTER_FLEET_LOG": "info"})
    assert execute(host.client(), "return 6 * 7").result == "42"
    assert "notebook.ipynb" in host.report()
