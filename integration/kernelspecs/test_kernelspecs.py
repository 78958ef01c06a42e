"""Odd kernelspecs: what jupyter_client lists and starts, the fleet launches; what neither can start is skipped with a reason."""

import json
import os
import sys

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from harness.clients import READY_SECONDS, execute, plain

ARGV = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
LAUNCHER = "import runpy\nrunpy.run_module('ipykernel_launcher', run_name='__main__')\n"
CELL = "import os; (6 * 7, os.environ.get('SAID'))"
CONFIG = """
[runtimes.lua]
pool = 0
"""

# By directory: what stands in kernel.json, as JSON or as text.
GOOD = {
    "bare": {"argv": ARGV},
    "no-language": {"argv": ARGV, "display_name": "No language"},
    "no-display-name": {"argv": ARGV, "language": "python"},
    "said-in-vain": {"argv": ARGV, "display_name": "", "language": "", "env": {}, "metadata": {}},
    "With Space": {"argv": ARGV, "env": {"SAID": "with a space"}},
    "Ünïcode Ядро": {"argv": [sys.executable, "{resource_dir}/launch.py", "-f", "{connection_file}"], "display_name": "Ядро"},
    "UPPER.case_1": {"argv": ARGV, "interrupt_mode": "MESSAGE"},
    "other-keys": {"argv": ARGV, "mimetype": "text/x-python", "kernel_protocol_version": "5.5", "name": "another", "metadata": {"debugger": "maybe"}},
    "twice": f'{{"argv": ["false"], "argv": {json.dumps(ARGV)}}}',
}
BAD = {
    "no-argv": ({"display_name": "x", "language": "python"}, 'no "argv"'),
    "empty argv": ({"argv": []}, 'no "argv"'),
    "argv-text": ({"argv": "python"}, '"argv" that cannot'),
    "argv-number": ({"argv": [*ARGV, 1]}, '"argv" that cannot'),
    "env-number": ({"argv": ARGV, "env": {"SAID": 1}}, '"env" that cannot'),
    "not-json": ("{", "is not a kernelspec"),
    "no-object": ([], "is not a kernelspec"),
    "interrupt-mode": ({"argv": ARGV, "interrupt_mode": "shout"}, '"shout"'),
    "metadata-text": ({"argv": ARGV, "metadata": "x"}, '"metadata" that cannot'),
    "языковой": ({"argv": ARGV, "language": 7}, '"language" that cannot'),
    "provisioner": ({"argv": ARGV, "metadata": {"kernel_provisioner": {"provisioner_name": "yarn"}}}, '"yarn"'),
}

pytestmark = pytest.mark.proxy_only


@pytest.fixture(scope="module")
def odd_fleet(launch):
    fleet = launch(config=CONFIG)
    kernels = fleet.home.data_dir / "kernels"
    for name, spec in {**GOOD, **{name: spec for name, (spec, _) in BAD.items()}}.items():
        (kernels / name).mkdir()
        (kernels / name / "kernel.json").write_text(spec if isinstance(spec, str) else json.dumps(spec))
    (kernels / "Ünïcode Ядро" / "launch.py").write_text(LAUNCHER)
    try:
        fleet.start()
        yield fleet
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()


@pytest.fixture
def fleet(odd_fleet):
    """In the place of the shared one, so that `connect` opens clients on it."""
    return odd_fleet


@pytest.fixture
def manager(odd_fleet):
    return KernelSpecManager(kernel_dirs=[str(odd_fleet.home.data_dir / "kernels")])


@pytest.fixture
def start_directly(manager, odd_fleet):
    """Starts a kernel as Jupyter does and returns a client that is ready."""
    started = []

    def start(name):
        kernel = KernelManager(kernel_name=name, kernel_spec_manager=manager)
        kernel.start_kernel(env=odd_fleet.environment, cwd=str(odd_fleet.home.working_dir))
        client = kernel.client()
        started.append((kernel, client))
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        return client

    yield start
    for kernel, client in started:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def test_the_list_of_jupyter_and_that_of_the_fleet_differ_by_what_nobody_can_start(odd_fleet, manager):
    listed = set(manager.get_all_specs())
    launched = {runtime["name"] for runtime in odd_fleet.answer("runtimes")}
    assert {name.lower() for name in GOOD} <= listed
    assert listed - launched <= {"no-argv", "empty argv", "argv-text", "argv-number", "env-number"}


@pytest.mark.parametrize("directory", GOOD)
def test_what_jupyter_starts_the_fleet_launches(start_directly, connect, directory):
    name = directory.lower()
    directly, through_the_fleet = start_directly(name), connect(runtime=name)
    expected = GOOD[directory].get("env", {}).get("SAID") if isinstance(GOOD[directory], dict) else None
    assert execute(directly, CELL).result == execute(through_the_fleet, CELL).result == str((42, expected))


def test_a_language_that_no_kernelspec_names_is_that_of_kernel_info(odd_fleet, connect):
    client = connect(runtime="bare")
    assert execute(client, CELL).status == "ok"
    languages = {kernel["language"] for kernel in odd_fleet.answer("list") if kernel["runtime"] == "bare"}
    assert languages == {"python"}
    assert execute(connect(runtime="bare", language="python"), CELL).status == "ok"


@pytest.mark.parametrize("name", BAD)
def test_what_jupyter_cannot_start_is_refused_with_its_reason(start_directly, connect, name):
    with pytest.raises(Exception):  # noqa: B017 (each has another one: of JSON, traitlets, or the start)
        start_directly(name)
    done = execute(connect(ready=False, runtime=name), CELL)
    text = plain(done.error["evalue"])
    assert f"there is no runtime {name}" in text and BAD[name][1] in text and os.path.join("kernels", name) in text, text


def test_runtimes_lists_each_that_was_skipped_with_its_reason(odd_fleet):
    done = odd_fleet.command("runtimes")
    assert done.returncode == 0, done.stderr
    for name, (_, reason) in BAD.items():
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
        assert len(lines) == 1 and reason in lines[0], done.stdout
