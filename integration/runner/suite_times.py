"""How long each suite took: the time of its tests, whichever worker ran them. The soak takes as long as it is told to."""

from collections import Counter

APART = ("soak",)


def pytest_configure(config):
    if not hasattr(config, "workerinput") and not config.getoption("--only"):
        config.pluginmanager.register(SuiteTimes(), "suite-times")


class SuiteTimes:
    """Lives in the process that hands out the tests."""

    def __init__(self):
        self._seconds = Counter()
        self._tests = Counter()

    def pytest_runtest_logreport(self, report):
        suite = report.nodeid.partition("/")[0]
        self._seconds[suite] += report.duration
        self._tests[suite] += report.when == "setup"

    def pytest_terminal_summary(self, terminalreporter):
        if not self._seconds:
            return
        suites = sorted(self._seconds, key=lambda suite: (suite in APART, -self._seconds[suite]))
        total = sum(seconds for suite, seconds in self._seconds.items() if suite not in APART)
        terminalreporter.section("time per suite, in seconds of its tests")
        for suite in suites:
            apart = "  (apart)" if suite in APART else ""
            terminalreporter.write_line(f"{self._seconds[suite]:8.1f}  {suite}, {self._tests[suite]} tests{apart}")
        terminalreporter.write_line(f"{total:8.1f}  all but {', '.join(APART)}, on all workers together")
