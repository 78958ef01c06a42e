"""A console that is typed at."""

import sys

import pexpect

from harness.clients import plain

SECONDS = 60
PROMPT = r"In \[(\d+)\]: "


class Console:
    """A console that is typed at; `number` is that of its last prompt."""

    def __init__(self, fleet, needs, *arguments, inside=()):
        self.number = None
        existing = str(fleet.connection_file(needs)) if fleet.is_direct else "fleet"
        command = [*inside, sys.executable, "-m", "jupyter_console"]
        self.child = pexpect.spawn(
            command[0],
            [*command[1:], "--existing", existing, f"--Session.metadata={{'fleet': {needs!r}}}", *arguments],
            env=fleet.environment | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            cwd=str(fleet.home.working_dir),
            timeout=SECONDS,
            encoding="utf-8",
            dimensions=(50, 200),
        )

    def prompt(self):
        """Waits for the next input prompt and returns what was shown before it."""
        self.child.expect(PROMPT)
        self.number = int(self.child.match[1])
        return plain(self.child.before)

    def run(self, code):
        """Types a line and returns what it showed until the next prompt."""
        self.child.sendline(code)
        return self.prompt()

    def leave(self):
        """Leaves with Ctrl-D and waits for the end of the process."""
        self.child.sendeof()
        self.child.expect("keeping kernel alive")
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus == 0

    def close(self):
        self.child.close(force=True)
