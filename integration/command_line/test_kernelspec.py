"""`jupyter-fleet kernelspec`: what Jupyter itself reads of what it writes."""

import json
import os
import subprocess
import sys

import pytest

from harness.home import Home

pytestmark = pytest.mark.proxy_only
COMMAND_SECONDS = 60


@pytest.fixture
def home():
    home = Home()
    yield home
    home.remove()


@pytest.fixture
def kernelspec(home, binary):
    """Runs `jupyter-fleet kernelspec` and returns how that ended."""

    def run(*arguments, **variables):
        return subprocess.run(
            [binary, "kernelspec", *arguments],
            env=home.environment | variables,
            cwd=home.working_dir,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    return run


def jupyters(home):
    """What Jupyter knows of kernelspecs, by name."""
    command = [sys.executable, "-m", "jupyter_client.kernelspecapp", "list", "--json"]
    done = subprocess.run(command, env=home.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["kernelspecs"]


def test_jupyter_reads_what_is_installed(home, kernelspec, binary):
    (home.data_dir / "kernels" / "python3" / "logo-svg.svg").write_text("<svg/>")
    installed = kernelspec("install", "--all")
    assert installed.returncode == 0, installed.stderr
    found = jupyters(home)
    assert found.keys() >= {"fleet-python3", "fleet-lua", "fleet-bash", "fleet-deno", "fleet-announced"}
    python = found["fleet-python3"]["spec"]
    assert python["argv"] == [os.path.realpath(binary), "attach", "-f", "{connection_file}", "--runtime", "python3"]
    assert (python["display_name"], python["language"], python["interrupt_mode"]) == ("Python 3 (fleet)", "python", "message")
    assert python["metadata"]["debugger"] is True
    assert found["fleet-python-tcp"]["spec"]["display_name"] == "Python 3 (fleet, python-tcp)"
    assert "debugger" not in found["fleet-bash"]["spec"]["metadata"]
    assert os.listdir(found["fleet-python3"]["resource_dir"]).count("logo-svg.svg") == 1
    assert f"Installed kernelspec fleet-python3 in {found['fleet-python3']['resource_dir']}" in installed.stdout


def test_a_group_has_kernelspecs_of_its_own(home, kernelspec):
    assert kernelspec("install", "--group", "team-a", "--start").returncode == 0
    spec = jupyters(home)["fleet-python3-team-a"]["spec"]
    assert spec["display_name"] == "Python 3 (fleet, team-a)"
    assert spec["argv"][-2:] == ["--group=team-a", "--start"]


def test_fleets_do_not_launch_fleets(home, kernelspec, binary):
    before = runtimes(home, binary)
    assert kernelspec("install", "--all").returncode == 0
    assert runtimes(home, binary) == before


def runtimes(home, binary):
    listed = subprocess.run([binary, "runtimes", "--json"], env=home.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    assert listed.returncode == 0 and not listed.stderr, listed.stderr
    return json.loads(listed.stdout)


def test_sys_prefix_is_the_environment_that_is_first_on_the_path(home, kernelspec, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=COMMAND_SECONDS)
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    assert kernelspec("install", "--sys-prefix", "--runtime", "lua", PATH=path).returncode == 0
    asked = [environment / "bin" / "python", "-c", "import sys; print(sys.prefix)"]
    prefix = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS).stdout.strip()
    assert os.path.exists(f"{prefix}/share/jupyter/kernels/fleet-lua/kernel.json")


def test_what_others_installed_stays(home, kernelspec):
    refused = kernelspec("install", "--name", "bash")
    assert refused.returncode == 1 and "--name" in refused.stderr
    assert kernelspec("remove", "bash").returncode == 1
    assert jupyters(home)["bash"]["spec"]["display_name"] == "Bash"


def test_ours_is_removed_and_nothing_else(home, kernelspec):
    before = jupyters(home)
    assert kernelspec("install", "--all").returncode == 0
    assert kernelspec("remove", "fleet-lua").returncode == 0
    assert "fleet-lua" not in jupyters(home)
    listed = json.loads(kernelspec("list", "--json").stdout)
    assert {one["name"] for one in listed} == jupyters(home).keys() - before.keys()
    assert kernelspec("remove", "--all").returncode == 0
    assert jupyters(home) == before


def test_one_name_for_several_is_a_usage_error(kernelspec):
    assert kernelspec("install", "--runtime", "lua", "--runtime", "bash", "--name", "mine").returncode == 2
