"""The second try, shown on small runs of pytest: what is excused, what is not, and which exit code comes out."""

import subprocess
import sys
from pathlib import Path

import pytest

INTEGRATION = Path(__file__).resolve().parent.parent
PASSES = "def test_passes(): pass\n"
FLAKY = """\
from pathlib import Path

def test_flaky():
    marker = Path(__file__).with_suffix(".tried")
    tried = marker.exists()
    marker.touch()
    print("first run" if not tried else "second run")
    assert tried, "only the second run passes"
"""
FAILS = "def test_fails(): assert 1 == 2\n"
CRASHES_ONCE = FLAKY.replace("assert tried", "import os\n    tried or os._exit(1)\n    assert tried")
CRASHES = "import os\ndef test_crashes(): os._exit(0)\n"
SHARED = """\
import pytest

@pytest.fixture(scope="session")
def shared():
    used = []
    yield used
    assert len(used) < 2, "only after several tests"

def test_one(shared): shared.append(1)
def test_two(shared): shared.append(2)
"""


@pytest.fixture
def run(tmp_path):
    """Runs pytest, with the second try, on these files; arguments come after."""
    def start(*arguments, workers=2, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        options = ["-p", "no:asyncio", "-p", "runner.second_try", "-p", "no:cacheprovider", f"-n{workers}", "--second-try=kept"]
        command = [sys.executable, "-m", "pytest", *options, *arguments]
        return subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(INTEGRATION)}, capture_output=True, text=True, timeout=90)

    return start


@pytest.mark.parametrize("workers", [0, 2])
def test_what_fails_once_is_flaky_and_both_outputs_are_kept(run, tmp_path, workers):
    done = run(workers=workers, test_a=FLAKY, test_b=PASSES)
    assert done.returncode == 0, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "2 passed, 0 failed, 1 of the passed FLAKY" in done.stdout
    assert "FLAKY test_a.py::test_flaky" in done.stdout
    first, second = [(tmp_path / "kept" / f"test_a.py_test_flaky-{number}.txt").read_text() for number in (1, 2)]
    assert "only the second run passes" in first and "first run" in first
    assert "1 passed" in second


def test_what_fails_twice_fails_the_run(run, tmp_path):
    done = run(test_a=FLAKY, test_b=FAILS, test_c=PASSES)
    assert done.returncode == 1, done.stdout
    assert "FAILED TWICE test_b.py::test_fails" in done.stdout
    assert "2 passed, 1 failed, 1 of the passed FLAKY" in done.stdout
    assert "assert 1 == 2" in (tmp_path / "kept/test_b.py_test_fails-2.txt").read_text()


def test_a_test_that_kills_its_worker_has_a_second_try_too(run):
    done = run(test_a=CRASHES_ONCE, test_b=PASSES)
    assert done.returncode == 0, done.stdout
    assert "FLAKY test_a.py::test_flaky" in done.stdout


def test_a_test_that_ends_its_process_twice_fails_the_run_even_with_exit_code_0(run):
    done = run(test_a=CRASHES, test_b=PASSES)
    assert done.returncode == 1, done.stdout
    assert "FAILED TWICE test_a.py::test_crashes" in done.stdout


def test_a_worker_that_dies_without_a_test_fails_the_run(run):
    dies = 'import os\ndef pytest_sessionfinish(session):\n    hasattr(session.config, "workerinput") and os._exit(0)\n'
    done = run(conftest=dies, test_b=PASSES)
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize("workers", [0, 1])
def test_what_many_tests_have_shared_must_end_well(run, workers):
    done = run(workers=workers, test_a=SHARED)
    assert done.returncode == 1, done.stdout
    assert "not run again" in done.stdout


def test_where_many_fail_none_is_run_again(run):
    done = run(test_a="import pytest\n@pytest.mark.parametrize('number', range(11))\ndef test_fails(number): assert 0\n")
    assert done.returncode == 1, done.stdout
    assert "none is run again" in done.stdout


def test_a_flaky_test_is_no_excuse_for_a_file_that_could_not_be_read(run):
    done = run("--continue-on-collection-errors", test_a=FLAKY, test_b="this is no Python")
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize(
    "code, arguments, files",
    [
        (1, [], {"test_a": "this is no Python"}),
        (2, ["-x"], {"test_a": FLAKY}),
        (3, [], {"conftest": "def pytest_runtest_logreport(report): raise ValueError", "test_a": FAILS}),
        (4, ["--no-such-option"], {"test_a": PASSES}),
        (5, ["no_such_file.py"], {"test_a": PASSES}),
        (5, ["-k", "nothing"], {"test_a": FAILS}),
    ],
    ids=["no collection", "stopped", "broken plugin", "usage", "no file", "no tests"],
)
def test_other_exit_codes_stay_as_they_are(run, code, arguments, files):
    done = run(*arguments, **files)
    assert done.returncode == code, done.stdout + done.stderr
    assert "FLAKY" not in done.stdout
