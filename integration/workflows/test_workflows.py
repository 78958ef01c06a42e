"""The workflows run, and print what they promise."""

import re
import subprocess
import uuid
from pathlib import Path

import pytest

from harness import processes
from harness.home import Home

pytestmark = pytest.mark.proxy_only
WORKFLOWS = Path(__file__).resolve().parent
SECONDS = 100


@pytest.fixture
def workflow(binary):
    """Runs a workflow with a fleet of its own; returns what it printed, without the headings."""
    home, tag = Home(), uuid.uuid4().hex

    def run(name):
        done = subprocess.run(
            [WORKFLOWS / name],
            env=home.environment | {"JUPYTER_FLEET": binary, processes.TAG: tag},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, cwd=home.working_dir,
        )
        assert done.returncode == 0, done.stdout
        assert not processes.tagged(tag), f"left behind:\n{processes.describe(processes.tagged(tag))}"
        return [line for line in done.stdout.splitlines() if line and not line.startswith("#")]

    yield run
    processes.end(processes.tagged(tag))
    home.remove()


def test_several_developers(workflow):
    assert workflow("several_developers.sh") == [
        "A: openai\tpoems",
        "B: anthropic\tnil",
        "C: openai\tpoems",
        "A: poems and songs",
        "B: proofs",
    ]


def test_automatic_routing(workflow):
    *routed, refusal = workflow("automatic_routing.sh")
    assert routed == [
        "nothing: no llmspell\tLua 5.4",
        "openai: openai.toml\tLua 5.4",
        "anthropic: anthropic.toml\tLua 5.4",
        "label: small.toml\tLua 5.4",
    ]
    assert refusal.startswith("both: ")
    assert "lua-openai lacks the provider anthropic" in refusal and "lua-anthropic lacks the provider openai" in refusal


def test_process_isolation(workflow):
    two, *crash, left, right = workflow("process_isolation.sh")
    assert two == "different processes"
    assert re.match(r"left: .*kernel \w+ \(lua\) died: signal 9 \(SIGKILL\); it is being restarted", crash[0]), crash
    assert (left, right) == ("left: kept:\tnil", "right: kept:\t2\ttrue")


def test_resource_limits(workflow):
    modest, *death, works, rich, huge = workflow("resource_limits.sh")
    assert modest == "modest: 1048576\tbytes"
    assert "memory limit 256M exceeded" in "\n".join(death)
    assert (works, rich) == ("modest: works", "rich: has it all")
    assert huge.startswith("huge: ") and "memory" in huge and "1G" in huge
