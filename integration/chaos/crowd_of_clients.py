"""Clients in one process that ask without a pause, and keep account of every answer to every request.

usage: crowd_of_clients.py, with a line of JSON on stdin: {"file", "seed", "clients": [{"name", "language", "needs"}]}.
It says `connected`; the next line lets them stop, each with a last request; then their accounts come as one line.
"""

import asyncio
import json
import random
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.clients import new_async_client  # noqa: E402

# Longer than any kernel, or serve, takes to come back.
ANSWER_SECONDS = 40
LONGEST_PAUSE_SECONDS = 0.2

# Each cell counts: in all, and for the client that sent it.
PYTHON = """\
import os, time
time.sleep({pause})
counter = globals().get("counter", 0) + 1
by_client = globals().setdefault("by_client", {{}})
by_client["{name}"] = by_client.get("{name}", 0) + 1
"""
PYTHON_STATE = "[os.getpid(), counter, sum(by_client.values()), by_client['{name}']]"
LUA = """\
os.execute("sleep {pause}")
counter = (counter or 0) + 1
by_client = by_client or {{}}
by_client["{name}"] = (by_client["{name}"] or 0) + 1
total = 0
for _, count in pairs(by_client) do total = total + count end
process = process or io.open("/proc/self/stat"):read("n")
"""
LUA_STATE = "string.format('[%d, %d, %d, %d]', process, counter, total, by_client['{name}'])"
CELLS = {"python": (PYTHON, PYTHON_STATE), "lua": (LUA, LUA_STATE)}


class Asker:
    """One client: its requests, and what came back for each."""

    def __init__(self, file, name, language, needs, chance):
        self.name, self.chance = name, chance
        self.code, self.state = CELLS[language]
        self.client = new_async_client(file, needs)
        self.client.start_channels(stdin=False, hb=False)
        self.requests = {}
        self.answered = {}
        self.complaints = []

    async def ask(self):
        """One cell; its account is kept whether or not an answer comes."""
        pause = round(self.chance.uniform(0, LONGEST_PAUSE_SECONDS), 3)
        asked = time.monotonic()
        msg_id = self.client.execute(
            self.code.format(name=self.name, pause=pause),
            user_expressions={"state": self.state.format(name=self.name)},
        )
        answer = self.answered[msg_id] = asyncio.Event()
        self.requests[msg_id] = {"client": self.name, "msg_id": msg_id, "asked": asked, "answers": []}
        try:
            await asyncio.wait_for(answer.wait(), ANSWER_SECONDS)
        except TimeoutError:
            pass

    async def ask_until(self, stop):
        while not stop.is_set():
            await self.ask()
        await self.ask()

    async def read_replies(self):
        while True:
            try:
                reply = await self.client.get_shell_msg()
            except ValueError as failure:
                # What jupyter_client says of a message with a wrong signature, or one that came before.
                self.complaints.append(str(failure))
                continue
            msg_id = reply["parent_header"].get("msg_id")
            if msg_id not in self.requests:
                self.complaints.append(f"a {reply['msg_type']} that answers nothing of mine: {msg_id}")
                continue
            self.requests[msg_id]["answers"].append(self.answer(reply["content"]))
            self.answered[msg_id].set()

    async def drop_iopub(self):
        while True:
            try:
                await self.client.get_iopub_msg()
            except ValueError as failure:
                self.complaints.append(str(failure))

    @staticmethod
    def answer(content):
        state = content.get("user_expressions", {}).get("state", {}).get("data", {}).get("text/plain", "")
        return {
            "came": time.monotonic(),
            "status": content["status"],
            "ename": content.get("ename"),
            "evalue": content.get("evalue", "")[:200],
            "state": [int(number) for number in re.findall(r"\d+", state)],
        }


async def main():
    lines = await stdin_lines()
    task = json.loads(await lines.readline())
    chance = random.Random(task["seed"])
    askers = [Asker(task["file"], chance=random.Random(chance.random()), **each) for each in task["clients"]]
    print("connected", flush=True)
    readers = [asyncio.create_task(each) for asker in askers for each in (asker.read_replies(), asker.drop_iopub())]
    stop = asyncio.Event()
    asking = asyncio.gather(*(asker.ask_until(stop) for asker in askers))
    await lines.readline()
    stop.set()
    await asking
    # Whoever is answered twice hears it the second time before long.
    await asyncio.sleep(1)
    for reader in readers:
        reader.cancel()
    print(json.dumps({
        asker.name: {"requests": list(asker.requests.values()), "complaints": asker.complaints} for asker in askers
    }), flush=True)


async def stdin_lines():
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


if __name__ == "__main__":
    asyncio.run(main())
