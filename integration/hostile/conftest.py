"""Fleets under attack, and what is written down of it."""

import json
from pathlib import Path

import pytest
from siege import Siege

CONFIG = """\
default_runtime = "lua"
"""
ROWS = pytest.StashKey()


@pytest.fixture
def besieged(launch, pytestconfig):
    """Starts a fleet of the test's own that logs as JSON, with more configuration as the test wants; a siege of it."""
    sieges, rows = [], pytestconfig.stash.setdefault(ROWS, [])

    def start(config="", **options):
        fleet = launch(config=CONFIG + config, arguments=("--log-format", "json"), **options)
        try:
            sieges.append(Siege(fleet.start(), rows.append))
        except BaseException:
            fleet.clear()
            raise
        return sieges[-1]

    yield start
    for each in sieges:
        each.close()
        each.fleet.stop()


@pytest.fixture
def siege(besieged):
    """A fleet of the test's own under attack."""
    return besieged()


@pytest.fixture(scope="session", autouse=True)
def _written_down(pytestconfig):
    """The figures of all attacks, as a table for people and one for programs."""
    yield
    rows = pytestconfig.stash.get(ROWS, [])
    if not rows:
        return
    artifacts = Path(pytestconfig.getoption("--artifacts"))
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "hostile.json").write_text(json.dumps(rows, indent=1) + "\n")
    names = ["attack", "events", "memory_growth_mib", "round_trip_without_ms", "round_trip_during_ms", "counters"]
    head = [" | ".join(names), " | ".join("---" for _ in names)]
    table = head + [" | ".join(cell(row[name]) for name in names) for row in rows]
    (artifacts / "hostile.md").write_text("".join(f"| {line} |\n" for line in table))


def cell(value):
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)
