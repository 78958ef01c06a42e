"""One client that keeps account of each of its requests: answered or not, and with what."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cells import BASH_FAILED  # noqa: E402
from harness.clients import is_status, new_async_client  # noqa: E402

# Longer than a kernel takes to come up on a machine that is busy.
ANSWER_SECONDS = 60
IDLE_SECONDS = 10
# How requests end whose kernel was killed, stopped or restarted under them, or while it came up.
UNREST = {
    "KernelDied", "KernelLost", "KernelBroken", "KernelLaunchFailed", "KernelStopped", "KernelRestarted", "KernelGone",
}


NO_STDIN = "no stdin channel"


@dataclass
class Asked:
    """A request on its way."""

    reply: asyncio.Future
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    runs: asyncio.Event = field(default_factory=asyncio.Event)
    text: list = field(default_factory=list)
    heard: list = field(default_factory=list)


class Guest:
    """A connected client. `accounts` are those of its whole house."""

    def __init__(self, file, accounts, needs=None):
        self.accounts, self.name = accounts, str(needs)
        self.client = new_async_client(file, needs)
        self.client.start_channels(hb=False)
        self.asked = {}
        channels = (self.client.shell_channel, self.client.control_channel, self.client.iopub_channel, self.client.stdin_channel)
        self.readers = [asyncio.create_task(self.read(channel)) for channel in channels]

    async def read(self, channel):
        while True:
            try:
                message = await channel.get_msg()
            except ValueError as failure:
                # What jupyter_client says of a message with a wrong signature, or one that came before.
                self.accounts.faults.append(f"{self.name}: {failure}")
                continue
            asked = self.asked.get(message["parent_header"].get("msg_id"))
            if message["msg_type"] == "input_request":
                self.client.input("an answer")
            elif asked is not None and channel is self.client.iopub_channel:
                self.hear(asked, message)
            elif asked is not None:
                self.take(asked, message)

    def hear(self, asked, message):
        kind, content = message["msg_type"], message["content"]
        asked.heard.append(content.get("execution_state") or kind)
        if is_status(message, "idle"):
            asked.idle.set()
        elif kind == "stream" and NO_STDIN in content["text"]:
            # The question came before the stdin channel's connection, and is lost, as at any kernel; the notice tells what helps.
            self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))
        elif kind == "stream" and content["name"] == "stdout":
            asked.text.append(content["text"])
            asked.runs.set()

    def take(self, asked, message):
        if not asked.reply.done():
            asked.reply.set_result(message["content"])
            return
        how = "an answer that came too late" if asked.reply.cancelled() else "a second answer"
        self.accounts.faults.append(f"{self.name}: {how}, to {message['parent_header']['msg_id']}")

    def send(self, msg_type, content, channel="shell"):
        message = self.client.session.msg(msg_type, content)
        asked = self.asked[message["header"]["msg_id"]] = Asked(asyncio.get_running_loop().create_future())
        getattr(self.client, f"{channel}_channel").send(message)
        self.accounts.requests += 1
        return asked

    async def ask(self, msg_type, content=None, channel="shell"):
        """Sends a request and returns the content of its reply; None if none came in time, which is noted."""
        return await self.answer(self.send(msg_type, content or {}, channel), msg_type)

    async def answer(self, asked, what):
        try:
            content = await asyncio.wait_for(asked.reply, ANSWER_SECONDS)
        except TimeoutError:
            self.accounts.unanswered.append(f"{self.name}: no answer to {what!r} within {ANSWER_SECONDS} s")
            return None
        self.accounts.answered += 1
        return content

    async def run(self, cell):
        """Runs a cell to its end, and compares what comes of it with what should."""
        content = {"code": cell.code, "silent": False, "store_history": True, "user_expressions": {}}
        asked = self.send("execute_request", content | {"allow_stdin": True, "stop_on_error": True})
        if cell.is_interrupted:
            runs, reply = asyncio.create_task(asked.runs.wait()), asked.reply
            await asyncio.wait([runs, reply], timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            runs.cancel()
            await self.ask("interrupt_request", channel="control")
        content = await self.answer(asked, cell.code[:40])
        if content is None:
            return None
        await self.judge(cell, asked, content)
        return content

    async def judge(self, cell, asked, content):
        how = content["status"] if content["status"] != "error" else content.get("ename", "")
        self.accounts.ends[how] = self.accounts.ends.get(how, 0) + 1
        # Who shares a kernel is interrupted with it, and what waited behind an error is aborted.
        expected = "ok" if cell.ename is None else cell.ename
        if how == "ok" and cell.is_interrupted:
            self.accounts.uninterrupted.append(f"{self.name}: {cell.code[:40]!r} was interrupted and went on to its end")
        elif how not in {expected, "aborted", "KeyboardInterrupt"} | UNREST and not (cell.is_bash and how in ("ok", BASH_FAILED)):
            self.accounts.faults.append(f"{self.name}: {cell.code[:40]!r} ended with {content}")
        if how != "ok":
            return
        try:
            await asyncio.wait_for(asked.idle.wait(), IDLE_SECONDS)
        except TimeoutError:
            # A kernel that dies between reply and idle owes nothing any more: the test compares with how many were killed.
            self.accounts.without_idle += 1
            return
        text = "".join(asked.text)
        if cell.says is not None and text != cell.says:
            said = f"said {len(text)} of {len(cell.says)} characters: {text[-60:]!r}"
            self.accounts.garbled.append(f"{self.name}: {cell.code[:40]!r} {said}; heard {asked.heard}")

    async def comm(self):
        """Opens a comm, and closes it once the kernel is done with it."""
        opened = self.send("comm_open", {"comm_id": f"c{id(self)}", "target_name": "soak", "data": {}})
        self.accounts.requests -= 1  # it is owed no reply
        try:
            await asyncio.wait_for(opened.idle.wait(), IDLE_SECONDS)
        except TimeoutError:
            self.accounts.without_idle += 1
        self.client.shell_channel.send(self.client.session.msg("comm_close", {"comm_id": f"c{id(self)}", "data": {}}))
        self.accounts.comms += 1

    async def leave(self, says_goodbye):
        """Says goodbye as a Jupyter client does, or just goes."""
        if says_goodbye:
            await self.ask("shutdown_request", {"restart": False}, "control")
        for reader in self.readers:
            reader.cancel()
        await asyncio.gather(*self.readers, return_exceptions=True)
        self.client.stop_channels()
        self.client.context.destroy(linger=0)
