"""The ways in which guests come and go. Each returns whether it took place."""

import asyncio
import json
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import zmq
from jupyter_client.connect import write_connection_file
from wire import Wire, execute_content

from cells import CELLS
from guest import ANSWER_SECONDS, UNREST, Guest

MOST_CELLS = 4
# exec's exit code for code that raised an error, here: for a kernel that was killed, stopped or restarted.
DONE, CODE_FAILED = 0, 1
EXEC_CELLS = {"lua": "print(6 * 7)", "python3": "print(6 * 7)", "bash": "echo 42"}
STRANGERS = 20


@dataclass(frozen=True)
class Visit:
    """How often it is made, compared with others."""

    how: object
    weight: int


async def run_some(house, guest, runtime):
    for _ in range(house.chance.randint(1, MOST_CELLS)):
        cell = house.cell(runtime)
        answer = await guest.run(cell)
        if cell is CELLS[runtime].get("target") and answer is not None and answer["status"] == "ok":
            await guest.comm()


async def jupyter_client(house):
    """A client of Jupyter's; half of them say goodbye, and a few restart what they have."""
    runtime, needs = house.wishes()
    guest = Guest(house.file, house.accounts, needs)
    await run_some(house, guest, runtime)
    if house.chance.random() < 0.1:
        await guest.ask("shutdown_request", {"restart": True}, "control")
        await run_some(house, guest, runtime)
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
            assert how in {"ok", "aborted", "KeyboardInterrupt"} | UNREST, content
    finally:
        peer.close()
    return True


async def exec_command(house):
    """`jupyter-fleet exec`, which is a process of its own."""
    runtime, needs = house.wishes()
    arguments = ["exec", "--existing", house.file, "--fleet", json.dumps(needs), "--timeout", str(ANSWER_SECONDS)]
    code, out, err = await command(house, *arguments, "-c", EXEC_CELLS[runtime])
    house.accounts.requests += 1
    assert code in (DONE, CODE_FAILED), f"exec ended with {code}: {err}"
    assert code == CODE_FAILED or out == b"42\n", f"exec printed {out}"
    house.accounts.answered += 1
    return True


async def attached(house):
    """By a process of `attach`, as notebooks come; half of these are killed."""
    runtime, needs = house.wishes()
    with tempfile.TemporaryDirectory() as directory:
        file, _ = write_connection_file(f"{directory}/host.json", ip="127.0.0.1", key=os.urandom(16).hex().encode())
        arguments = ["attach", "-f", file, "--runtime", runtime, *(["--group", needs["group"]] if "group" in needs else ["--isolated"])]
        # It ends with its house, as with any host.
        process = await asyncio.create_subprocess_exec(
            house.binary, *arguments, env=os.environ | {"JPY_PARENT_PID": str(os.getpid())},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await listens(file)
            guest = Guest(file, house.accounts)
            await run_some(house, guest, runtime)
            says_goodbye = house.chance.random() < 0.5
            await guest.leave(says_goodbye)
            if says_goodbye:
                await asyncio.wait_for(process.wait(), ANSWER_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return True


async def listens(file):
    """Waits until all ports are open: a socket that comes too early tries again after a while, each by itself, and a question
    that comes on stdin meanwhile has nobody to go to, as with any kernel."""
    info, end = json.loads(Path(file).read_text()), time.monotonic() + ANSWER_SECONDS
    for channel in ("shell", "control", "iopub", "stdin", "hb"):
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((info["ip"], info[f"{channel}_port"])) == 0:
                    break
            assert time.monotonic() < end, f"attach has not opened {channel}"
            await asyncio.sleep(0.02)


async def by_a_door(house):
    """By the file of a kernel that is there."""
    _, out, _ = await command(house, "list", "--json")
    kernels = [each for each in json.loads(out) if each["runtime"] in CELLS]
    if not kernels:
        return False
    kernel = house.chance.choice(kernels)
    code, out, _ = await command(house, "connect", kernel["id"])
    if code != DONE:
        return False  # it has gone meanwhile
    try:
        guest = Guest(out.decode().strip(), house.accounts)
    except FileNotFoundError:
        return False
    # A door closes with its kernel: nobody answers there any more, so it is asked once, and not for ever.
    asked = guest.send("kernel_info_request", {})
    house.accounts.requests -= 1
    await asyncio.wait([asked.reply], timeout=5)
    came = asked.reply.done()
    await guest.leave(says_goodbye=False)
    return came


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


async def command(house, *arguments):
    process = await asyncio.create_subprocess_exec(
        house.binary, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 2 * ANSWER_SECONDS)
    return process.returncode, out, err


VISITS = {
    "jupyter_client": Visit(jupyter_client, 8),
    "in the middle": Visit(in_the_middle, 3),
    "raw": Visit(raw, 3),
    "exec": Visit(exec_command, 3),
    "attach": Visit(attached, 2),
    "door": Visit(by_a_door, 2),
    "strangers": Visit(strangers, 1),
}
