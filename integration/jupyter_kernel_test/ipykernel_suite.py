"""jupyter_kernel_test's suite for ipykernel, in a process with one client; prints each test's outcome as JSON.

usage: ipykernel_suite.py CONNECTION_FILE [NEEDS_JSON]
"""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jupyter_kernel_test  # noqa: E402

from harness.clients import READY_SECONDS, new_client  # noqa: E402

CONNECTION_FILE = sys.argv[1] if len(sys.argv) > 1 else None
NEEDS = json.loads(sys.argv[2]) if len(sys.argv) > 2 else None


class OneClient:
    """All tests of a suite are one client's."""

    @classmethod
    def setUpClass(cls):
        cls.kc = new_client(CONNECTION_FILE, NEEDS)
        cls.kc.start_channels()
        cls.kc.wait_for_ready(timeout=READY_SECONDS)

    @classmethod
    def tearDownClass(cls):
        cls.kc.stop_channels()


class IPyKernelTests(OneClient, jupyter_kernel_test.KernelTests):
    """The samples; the tests are inherited."""

    kernel_name = "python3"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}, {"text": "imporlib_nothing"}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('planned')"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))", "mime": "text/latex"},
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class Outcomes(unittest.TestResult):
    """Each test's outcome; a failed subtest fails its test."""

    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def startTest(self, test):
        super().startTest(test)
        self.outcomes[test.id().rpartition(".")[2]] = "passed"

    def _note(self, test, outcome):
        self.outcomes[test.id().split("(")[0].strip().rpartition(".")[2]] = outcome

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._note(test, self.failures[-1][1])

    def addError(self, test, error):
        super().addError(test, error)
        self._note(test, self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, f"skipped: {reason}")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self._note(test, f"{subtest}: {error[1]}")


def main(tests):
    """Runs a class of tests and prints the outcomes."""
    results = Outcomes()
    unittest.defaultTestLoader.loadTestsFromTestCase(tests).run(results)
    print(json.dumps(results.outcomes))


if __name__ == "__main__":
    main(IPyKernelTests)
