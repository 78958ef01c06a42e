"""What guests run, by language: each cell, and what may come of it where nothing disturbs it.

All end by themselves, but for a question that nobody answers: whoever dies in the middle of any other leaves a kernel that
will be idle.
"""

from dataclasses import dataclass

LINES = 200
# bash_kernel gives its errors no name.
BASH_FAILED = ""
TEXT = "".join(f"{number}\n" for number in range(1, LINES + 1))
BIG = 300_000


@dataclass(frozen=True)
class Cell:
    """`says` is what it prints, where that is known; `ename` the error that it ends with.

    `is_bash`: bash runs it, of which less can be expected, see below.
    """

    code: str
    says: str | None = None
    ename: str | None = None
    is_interrupted: bool = False
    is_asked: bool = False
    is_bash: bool = False


PYTHON = {
    "stream": Cell(f"for number in range(1, {LINES + 1}): print(number)", TEXT),
    "big": Cell(f"print('x' * {BIG})", "x" * BIG + "\n"),
    "state": Cell("count = globals().get('count', 0) + 1; count"),
    "error": Cell("1 / 0", ename="ZeroDivisionError"),
    "input": Cell("print('got', input('? '))", "got an answer\n", is_asked=True),
    "long": Cell("import time\nprint('runs', flush=True)\nfor _ in range(1000): time.sleep(0.01)", ename="KeyboardInterrupt", is_interrupted=True),
    "elsewhere": Cell("%%fleet runtime=lua\nprint('elsewhere')", "elsewhere\n"),
    "page": Cell("%fleet status"),
    "target": Cell(
        "get_ipython().kernel.comm_manager.register_target('soak', lambda comm, message: comm.send({'heard': True}))"
    ),
}
LUA = {
    "stream": Cell(f"for number = 1, {LINES} do print(number) end", TEXT),
    "big": Cell(f"print(string.rep('x', {BIG}))", "x" * BIG + "\n"),
    "state": Cell("count = (count or 0) + 1; return count"),
    "error": Cell("error('on purpose')", ename="LuaError"),
    "input": Cell("print('got', input('? '))", "got\tan answer\n", is_asked=True),
    "long": Cell("print('runs')\nlocal began = os.time()\nwhile os.time() - began < 10 do end", ename="KeyboardInterrupt", is_interrupted=True),
    "elsewhere": Cell("%%fleet runtime=bash\necho elsewhere", is_bash=True),
    "page": Cell("%fleet list"),
}
# bash_kernel tells the end of a cell by the next prompt. A signal that hits bash itself makes one more, and from then on each cell
# ends with the prompt of the one before, with that one's output and success: neither can be expected where kernels are
# interrupted, but an answer can.
BASH = {
    "stream": Cell(f"seq 1 {LINES}", is_bash=True),
    "state": Cell("count=$((count + 1)); echo $count", is_bash=True),
    "error": Cell("false", ename=BASH_FAILED, is_bash=True),
    "page": Cell("%fleet why"),
}
CELLS = {"python3": PYTHON, "lua": LUA, "bash": BASH}
