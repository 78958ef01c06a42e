"""The figures of all attacks of `hostile/`, whichever worker took them: a table for people and one for programs."""

import json
from pathlib import Path

# The name under which a test hands on a row.
ATTACK = "attack"
COLUMNS = ("attack", "events", "memory_growth_mib", "round_trip_without_ms", "round_trip_during_ms", "counters")


def pytest_configure(config):
    if not hasattr(config, "workerinput") and not config.getoption("--only"):
        config.pluginmanager.register(AttacksTable(Path(config.getoption("--artifacts"))), "attacks-table")


class AttacksTable:
    """Lives in the process that hands out the tests."""

    def __init__(self, directory):
        self._directory = directory
        self._rows = []

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            self._rows += [row for name, row in report.user_properties if name == ATTACK]

    def pytest_sessionfinish(self):
        if not self._rows:
            return
        rows = sorted(self._rows, key=lambda row: row["attack"])
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "hostile.json").write_text(json.dumps(rows, indent=1) + "\n")
        table = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS), *(" | ".join(cell(row[name]) for name in COLUMNS) for row in rows)]
        (self._directory / "hostile.md").write_text("".join(f"| {line} |\n" for line in table))


def cell(value):
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)
