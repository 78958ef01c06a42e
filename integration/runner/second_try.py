"""`--second-try`: each test that failed is run once more at the end, alone, in a process of its own.

One that then passes is FLAKY: it is printed, what both runs said is kept, and the run does not fail for it. Only exit code 1,
"tests failed", is ever changed; interrupted, broken or empty runs keep theirs.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

# More than this is no chance: nothing is run again.
MOST = 10
FILE_NAME_CHARACTERS = 200
ENDS_WITH_ALL = "torn down with all"


def pytest_addoption(parser):
    parser.addoption("--second-try", metavar="DIRECTORY", help="run what failed once more, alone, and keep there what FLAKY tests said")
    parser.addoption("--only", metavar="NODEID", help="of all tests, run this one")


def pytest_configure(config):
    directory, is_worker = config.getoption("--second-try"), hasattr(config, "workerinput")
    if directory and not is_worker and not config.getoption("--only"):
        config.pluginmanager.register(SecondTry(config, Path(directory)), "second-try")


def pytest_collection_modifyitems(config, items):
    if only := config.getoption("--only"):
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid != only])
        items[:] = [item for item in items if item.nodeid == only]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Marks the end of what many tests have shared: if that fails, this test passing alone would prove nothing."""
    if nextitem is None:
        item.user_properties.append((ENDS_WITH_ALL, True))
    return (yield)


class SecondTry:
    """Lives in the process that hands out the tests."""

    def __init__(self, config, directory):
        self._config = config
        self._directory = directory
        self._said = {}
        self._passed = 0
        self._final = set()
        self._lost_workers = 0

    def pytest_runtest_logreport(self, report):
        self._passed += report.when == "call" and report.passed
        if not report.failed:
            return
        self._said.setdefault(report.nodeid, []).append(text(report))
        if (ENDS_WITH_ALL, True) in map(tuple, report.user_properties):
            self._final.add(report.nodeid)
        # That of a worker which died: the test that it had.
        self._lost_workers -= report.when == "???"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error):
        self._lost_workers += bool(error)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session):
        result = yield
        if self._lost_workers and session.exitstatus == pytest.ExitCode.OK:
            self._say("a worker died without a test: the run fails")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif session.exitstatus == pytest.ExitCode.TESTS_FAILED and self._said:
            session.exitstatus = self._try_all()
        return result

    def _try_all(self):
        self._heading(f"second try, alone: {len(self._said)} failed")
        if len(self._said) > MOST:
            self._say(f"more than {MOST} failed: none is run again")
            return pytest.ExitCode.TESTS_FAILED
        flaky = [nodeid for nodeid in self._said if self._is_flaky(nodeid)]
        failed = len(self._said) - len(flaky)
        self._heading(f"{self._passed + len(flaky)} passed, {failed} failed, {len(flaky)} of the passed FLAKY")
        return pytest.ExitCode.TESTS_FAILED if failed or self._lost_workers else pytest.ExitCode.OK

    def _is_flaky(self, nodeid):
        if nodeid in self._final:
            self._say(f"FAILED {nodeid}: while all that its worker's tests had shared was ended; not run again")
            return False
        again = self._run_alone(nodeid)
        passed = again.returncode == pytest.ExitCode.OK
        files = self._keep(nodeid, "\n".join(self._said[nodeid]), again.stdout)
        self._say(f"{'FLAKY' if passed else 'FAILED TWICE'} {nodeid}: {' and '.join(map(str, files))}")
        if not passed:
            self._say(again.stdout)
        return passed

    def _run_alone(self, nodeid):
        """The same command line again, for this test; by a worker, whose death is a failure whatever its exit code."""
        params = self._config.invocation_params
        command = [sys.executable, "-m", "pytest", *map(str, params.args), "-n1", f"--only={nodeid}"]
        return subprocess.run(command, cwd=params.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def _keep(self, nodeid, *outputs):
        self._directory.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", nodeid)[-FILE_NAME_CHARACTERS:]
        files = [self._directory / f"{name}-{number}.txt" for number in range(1, len(outputs) + 1)]
        for file, output in zip(files, outputs, strict=True):
            file.write_text(output)
        return files

    def _heading(self, title):
        self._reporter.write_sep("=", title)

    def _say(self, line):
        self._reporter.write_line(line)

    @property
    def _reporter(self):
        return self._config.pluginmanager.get_plugin("terminalreporter")


def text(report):
    """All that pytest shows of a failure."""
    return "\n".join([f"----- {report.when}", report.longreprtext, *(f"----- {title}\n{said}" for title, said in report.sections)])
