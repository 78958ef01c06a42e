"""The test's end of `host.cjs`: a window of VS Code with one notebook."""

import json
import os
import select
import subprocess
import uuid
from pathlib import Path

from harness import processes
from harness.deadline import wait_until

HOST = Path(__file__).with_name("host.cjs")
MODULES = Path(__file__).resolve().parents[2] / "target/integration-node/node_modules"
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
CELL_SECONDS = 30
ANSWER_SECONDS = 75  # the host's own deadline for a kernel that does not come up is 60 s
END_SECONDS = 10


class Window:
    """Opens a notebook on a kernelspec; each method does what a person or VS Code itself does."""

    def __init__(self, kernelspec, environment):
        assert (MODULES / "zeromq").is_dir(), f"{MODULES} is missing: use integration/run"
        self._tag = uuid.uuid4().hex
        self.process = subprocess.Popen(
            ["node", str(HOST), kernelspec],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment | {"NODE_PATH": str(MODULES), processes.TAG: self._tag},
        )

    def start(self):
        """Starts the kernel; returns its kernel_info_reply."""
        return self.command("start")

    def run(self, code, seconds=CELL_SECONDS, **metadata):
        """Runs a cell to its end."""
        return self.finish(self.send(code, **metadata), seconds)

    def send(self, code, **metadata):
        return self.command("send", code=code, metadata=metadata)

    def finish(self, msg_id, seconds=CELL_SECONDS):
        return Cell(**self.command("finish", msg_id=msg_id, seconds=seconds))

    def until_text(self, msg_id, text, seconds=CELL_SECONDS):
        """Waits until a cell has said this."""
        return self.command("until_text", msg_id=msg_id, text=text, seconds=seconds)

    def answer(self, msg_id, value, seconds=CELL_SECONDS):
        """Answers the question of a cell; returns the question."""
        return self.command("answer", msg_id=msg_id, value=value, seconds=seconds)

    def request(self, msg_type, content, channel="shell", seconds=CELL_SECONDS):
        return self.command("request", channel=channel, msg_type=msg_type, content=content, seconds=seconds)

    def interrupt(self, channel="control", seconds=CELL_SECONDS):
        return self.command("interrupt", channel=channel, seconds=seconds)

    def restart(self, signal="SIGTERM"):
        return self.command("restart", signal=signal)

    def shutdown(self, signal="SIGTERM"):
        return self.command("shutdown", signal=signal)

    def kernel_process(self):
        return self.command("process")

    def ports(self):
        info = self.kernel_process()["info"]
        return [info[f"{channel}_port"] for channel in CHANNELS]

    def accepting(self, ports):
        return self.command("accepting", ports=ports)

    def heard(self):
        """All messages since the kernel's last start by channel, and the window's session."""
        return self.command("heard")

    def children(self):
        """The living processes that this window started, directly or not. Kernels of the fleet have its environment, and are the fleet's."""
        return [
            process for process in processes.tagged(self._tag) if process.pid != self.process.pid and not processes.is_a_fleets_kernel(process)
        ]

    def command(self, name, **arguments):
        self.process.stdin.write(json.dumps({"do": name, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        readable, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS)
        assert readable, f"the window said nothing to `{name}` for {ANSWER_SECONDS} s"
        line = self.process.stdout.readline()
        assert line, f"the window ended at `{name}`"
        answer = json.loads(line)
        assert "failure" not in answer, answer["failure"]
        return answer["value"]

    def abandon(self):
        """Ends the window alone."""
        self.process.kill()
        self.process.wait(END_SECONDS)
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        """Closes the window; a kernel that was not shut down is killed with it, and nothing may be left."""
        self.abandon()
        processes.end(self.children())
        wait_until(lambda: not self.children(), END_SECONDS, lambda: f"nothing left:\n{processes.describe(self.children())}")


class Cell:
    """What came of a cell: its reply, and its messages on iopub in their order."""

    def __init__(self, reply, messages):
        self.reply = reply
        self.messages = messages

    @property
    def kinds(self):
        """The messages' types; of a status its state."""
        return [message["content"].get("execution_state") or message["header"]["msg_type"] for message in self.messages]

    def stream(self, name="stdout"):
        return "".join(content["text"] for content in self.of_type("stream") if content["name"] == name)

    def of_type(self, msg_type):
        return [message["content"] for message in self.messages if message["header"]["msg_type"] == msg_type]

    @property
    def result(self):
        """The text of the one result, None without."""
        results = self.of_type("execute_result")
        assert len(results) <= 1, results
        return results[0]["data"]["text/plain"] if results else None
