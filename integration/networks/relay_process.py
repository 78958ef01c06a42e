"""Carries TCP connections to other ports of this machine, and can be made faulty: what a network does to bytes.

Its argument is a JSON list of ports; the first line on stdout is that of the ports which lead there. Each line on stdin
sets the faults of directions, or does something to all connections, as of `Relay.obey`, and is answered with the number
of connections. It ends when stdin does.
"""

import asyncio
import json
import socket
import struct
import sys
from contextlib import suppress

BYTES_AT_ONCE = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Faults:
    """What happens to bytes in one direction."""

    def __init__(self):
        self.passable = asyncio.Event()
        self.set()

    def set(self, delay=0.0, cut=False):
        """`delay` is in seconds. What comes to a cut waits, and fills the buffers of both ends."""
        self.delay = delay
        self.passable.clear() if cut else self.passable.set()


class Relay:
    """All connections, each with its two ends: that of a client and that of the fleet."""

    def __init__(self):
        self.faults = {"to_fleet": Faults(), "to_clients": Faults()}
        self.connections = set()

    async def listen(self, port):
        """Returns a new port that leads to this one."""
        server = await asyncio.start_server(lambda *ends: self.carry(port, *ends), "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def carry(self, port, from_client, to_client):
        with suppress(OSError):
            await asyncio.gather(*(faults.passable.wait() for faults in self.faults.values()))
            from_fleet, to_fleet = await asyncio.open_connection("127.0.0.1", port)
            ends = {"clients": to_client, "fleet": to_fleet}
            connection = tuple(ends.items())
            self.connections.add(connection)
            try:
                await asyncio.gather(
                    self.pump(from_client, to_fleet, self.faults["to_fleet"]),
                    self.pump(from_fleet, to_client, self.faults["to_clients"]),
                )
            finally:
                self.connections.discard(connection)
                to_fleet.close()
        to_client.close()

    @staticmethod
    async def pump(source, target, faults):
        """Carries bytes until the source has no more, and then says so to the target."""
        late = asyncio.Queue(maxsize=64)

        async def deliver():
            while (part := await late.get())[1]:
                due, data = part
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                await faults.passable.wait()
                target.write(data)
                await target.drain()
            target.write_eof()

        delivery = asyncio.ensure_future(deliver())
        try:
            more = True
            while more:
                await faults.passable.wait()
                more = await source.read(BYTES_AT_ONCE)
                await late.put((asyncio.get_running_loop().time() + faults.delay, more))
            await delivery
        finally:
            delivery.cancel()

    def obey(self, command):
        """Directions with their faults; "reset": the ends that see their connections reset; "end": those that see no more."""
        for name, faults in self.faults.items():
            if name in command:
                faults.set(**command[name])
        for connection in list(self.connections):
            for name, end in connection:
                if name in command.get("reset", ()):
                    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                    end.transport.abort()
                if name in command.get("end", ()):
                    end.write_eof()
        return {"connections": len(self.connections)}


async def main():
    relay = Relay()
    print(json.dumps({"ports": [await relay.listen(port) for port in json.loads(sys.argv[1])]}), flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        print(json.dumps(relay.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
