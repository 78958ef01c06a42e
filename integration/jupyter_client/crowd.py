"""Many AsyncKernelClients in one process that connect and print all at once; tells who heard its own output.

usage: crowd.py CONNECTION_FILE NEEDS_JSON NAME COUNT [--settle]

With --settle each client waits until it is ready: a plain kernel's output is lost on a subscriber that is not there
yet. The proxy promises that it is not, so there no client waits for anything.
"""

import asyncio
import json
import sys
from pathlib import Path

import zmq.asyncio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.clients import is_status, new_async_client  # noqa: E402

SECONDS = 90


async def connect_and_print(file, needs, name, context, settle):
    """Returns `ok`, or what went wrong."""
    client = new_async_client(file, needs, context=context)
    client.start_channels()
    try:
        if settle:
            await client.wait_for_ready(timeout=SECONDS)
        msg_id = client.execute(f"print('{name}')")
        text, idle = "", False
        while not idle:
            message = await client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") == msg_id:
                idle = is_status(message, "idle")
                # On stderr it may be told whose cell it waits for.
                text += message["content"].get("text", "") if message["content"].get("name") == "stdout" else ""
        reply = await client.get_shell_msg(timeout=SECONDS)
        if reply["parent_header"]["msg_id"] != msg_id:
            return "somebody else's reply"
        return "ok" if text == f"{name}\n" else f"heard {text!r}"
    except Exception as failure:
        return f"{type(failure).__name__} {failure}"
    finally:
        client.stop_channels()


async def main():
    file, needs, name, count, *flags = sys.argv[1:]
    context = zmq.asyncio.Context()
    context.max_sockets = 4096
    names = [f"{name}-{number}" for number in range(int(count))]
    print("waiting", flush=True)
    sys.stdin.readline()
    outcomes = await asyncio.gather(
        *(connect_and_print(file, json.loads(needs), each, context, "--settle" in flags) for each in names)
    )
    print(json.dumps(dict(zip(names, outcomes))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
