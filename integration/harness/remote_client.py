"""The test's end of a `client_process`."""

import json
import select
import subprocess
import sys
from pathlib import Path

ANSWER_SECONDS = 60


class RemoteClient:
    """A client process: each method sends a command and returns the answer."""

    script = Path(__file__).with_name("client_process.py")

    def __init__(self, connection_file, environment, needs=None, session=None, inside=(), **more):
        """`inside` is what goes before the command line of the process: a command that runs it somewhere else."""
        arguments = {"connection_file": str(connection_file), "needs": needs, "session": session, **more}
        self.process = subprocess.Popen(
            [*inside, sys.executable, str(self.script), json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def ready(self):
        """Waits until the client is ready; returns its session id."""
        return self.command("ready")["session"]

    def execute(self, code):
        return self.command("execute", code=code)

    def everything_heard(self):
        return self.command("everything_heard")["messages"]

    def unread(self):
        return self.command("unread")["messages"]

    def command(self, name, **arguments):
        """Sends a command and returns its answer, or fails after a deadline."""
        self.process.stdin.write(json.dumps({"do": name, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        readable, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS)
        assert readable, f"the client process said nothing to `{name}` for {ANSWER_SECONDS} s"
        line = self.process.stdout.readline()
        assert line, f"the client process ended at `{name}`"
        answer = json.loads(line)
        assert "failure" not in answer, answer["failure"]
        return answer

    def die(self):
        """Ends the process the hard way, without any goodbye to the kernel."""
        self.process.stdin.write(b'{"do": "die"}\n')
        self.process.stdin.flush()
        assert self.process.wait(10) == 9
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        """Ends the process if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
            self.process.stdin.close()
            self.process.stdout.close()
