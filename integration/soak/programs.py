"""Visits by the fleet's own programs: `exec`, `attach`, and `connect`."""

import asyncio
import json
import os
import socket
import tempfile
import time
from pathlib import Path

from cells import CELLS
from guest import ANSWER_SECONDS, Guest
from jupyter_client.connect import write_connection_file

MOST_CELLS = 4
# exec's exit code for code that raised an error, here: for a kernel that was killed, stopped or restarted.
DONE, CODE_FAILED = 0, 1
EXEC_CELLS = {"lua": "print(6 * 7)", "python3": "print(6 * 7)", "bash": "echo 42"}
DOOR_SECONDS = 5


async def exec_command(house):
    """`jupyter-fleet exec`, which is a process of its own."""
    runtime, needs = house.wishes()
    if runtime != "lua" and not house.asks:
        return False  # it dies with its house, and interrupts its cell before: see `House.cell`
    arguments = ["exec", "--existing", house.file, "--fleet", json.dumps(needs), "--timeout", str(ANSWER_SECONDS)]
    code, out, err = await command(house, *arguments, "-c", EXEC_CELLS[runtime])
    house.accounts.requests += 1
    assert code in (DONE, CODE_FAILED), f"exec ended with {code}: {err}"
    # Of bash nothing can be expected: see `cells`.
    assert code == CODE_FAILED or out == b"42\n" or runtime == "bash", f"exec printed {out}"
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
            await run_some(house, guest, runtime, "isolated" in needs)
            says_goodbye = house.chance.random() < 0.5
            await guest.leave(says_goodbye)
            if says_goodbye:
                await asyncio.wait_for(process.wait(), ANSWER_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return True


async def by_a_kernels_file(house):
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
    # The file's ports close with its kernel: nobody answers there any more, so it is asked once, and not for ever.
    asked = guest.send("kernel_info_request", {})
    house.accounts.requests -= 1
    await asyncio.wait([asked.reply], timeout=DOOR_SECONDS)
    came = asked.reply.done()
    await guest.leave(says_goodbye=False)
    return came


async def run_some(house, guest, runtime, is_alone):
    for _ in range(house.chance.randint(1, MOST_CELLS)):
        cell = house.cell(runtime, is_alone)
        answer = await guest.run(cell)
        if cell is CELLS[runtime].get("target") and answer is not None and answer["status"] == "ok":
            await guest.comm()


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


async def command(house, *arguments):
    process = await asyncio.create_subprocess_exec(
        house.binary, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 2 * ANSWER_SECONDS)
    return process.returncode, out, err
