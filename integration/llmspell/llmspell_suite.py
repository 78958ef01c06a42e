"""jupyter_kernel_test for llmspell behind its adapter. Usage: as ipykernel_suite.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "jupyter_kernel_test"))

import ipykernel_suite  # noqa: E402
import jupyter_kernel_test  # noqa: E402


class LlmspellTests(ipykernel_suite.OneClient, jupyter_kernel_test.KernelTests):
    """The samples; the tests are inherited. What has no sample is skipped."""

    kernel_name = "llmspell"
    language_name = "lua"
    file_extension = ".lua"
    code_hello_world = "print('hello, world')"
    completion_samples = [{"text": "pri", "matches": {"print"}}, {"text": "string.fo", "matches": {"format"}}]
    complete_code_samples = ["1", "print('hello, world')", "function f(x)\n  return x * 2\nend"]
    incomplete_code_samples = ["print('hello'", "function f(x)\n  return x * 2"]
    invalid_code_samples = ["import = 7q", "end"]
    code_generate_error = "error('planned')"
    code_execute_result = [{"code": "1 + 2 + 3", "result": "6"}, {"code": "{1, 4, 9}", "result": "{1, 4, 9}"}]
    code_history_pattern = "1 ? 2*"
    supported_history_operations = ("tail", "range", "search")


if __name__ == "__main__":
    ipykernel_suite.main(LlmspellTests)
