"""The ways in which guests come and go. Each returns whether it took place."""

import asyncio
import json
import socket
from dataclasses import dataclass
from pathlib import Path

import zmq
from cells import BASH_FAILED, CELLS
from guest import ANSWER_SECONDS, UNREST, Guest
from programs import attached, by_a_kernels_file, exec_command, run_some

from harness.wire import Wire, execute_content

STRANGERS = 20


@dataclass(frozen=True)
class Visit:
    """How often it is made, compared with others."""

    how: object
    weight: int


async def jupyter_client(house):
    """A client of Jupyter's; half of them say goodbye, and a few restart what they have."""
    runtime, needs = house.wishes()
    guest = Guest(house.file, house.accounts, needs)
    await run_some(house, guest, runtime, "isolated" in needs)
    if house.chance.random() < 0.1:
        await guest.ask("shutdown_request", {"restart": True}, "control")
        await run_some(house, guest, runtime, "isolated" in needs)
    await guest.leave(says_goodbye=house.chance.random() < 0.5)
    return True


async def in_the_middle(house):
    """Leaves without a word while its cell runs: nobody waits for that answer."""
    runtime, needs = house.wishes()
    guest = Guest(house.file, house.accounts, needs)
    await guest.run(CELLS[runtime]["state"])
    guest.client.execute(CELLS[runtime]["stream"].code)
    await guest.leave(says_goodbye=False)
    return True


async def raw(house):
    """libzmq's own sockets and messages signed by hand; gone without a word."""
    runtime, needs = house.wishes()
    return await asyncio.to_thread(raw_visit, house, runtime, needs)


def raw_visit(house, runtime, needs):
    peer = Wire(Path(house.file), needs=needs)
    try:
        iopub = peer.socket(zmq.SUB, "iopub")
        iopub.subscribe(b"")
        shell = peer.socket(zmq.DEALER, "shell")
        for kind in ("state", "stream"):
            shell.send_multipart(peer.message("execute_request", execute_content(CELLS[runtime][kind].code)))
            house.accounts.requests += 1
            content = peer.read(shell, ANSWER_SECONDS)[3]
            house.accounts.answered += 1
            how = content["status"] if content["status"] != "error" else content["ename"]
            assert how in {"ok", "aborted", "KeyboardInterrupt"} | UNREST or (runtime == "bash" and how == BASH_FAILED), content
    finally:
        peer.close()
    return True


async def strangers(house):
    """Connections that say nothing, say nonsense, or have another key."""
    info = json.loads(Path(house.file).read_text())
    for number in range(STRANGERS):
        with socket.create_connection((info["ip"], info["shell_port" if number % 2 else "iopub_port"])) as stranger:
            if number % 3 == 0:
                stranger.send(b"GET / HTTP/1.1\r\n\r\n")
    peer = Wire(Path(house.file), key="another")
    shell = peer.socket(zmq.DEALER, "shell")
    shell.send_multipart(peer.message("kernel_info_request"))
    peer.close()
    return True


VISITS = {
    "jupyter_client": Visit(jupyter_client, 8),
    "in the middle": Visit(in_the_middle, 3),
    "raw": Visit(raw, 3),
    "exec": Visit(exec_command, 3),
    "attach": Visit(attached, 2),
    "kernel file": Visit(by_a_kernels_file, 2),
    "strangers": Visit(strangers, 1),
}
