"""A peer with a routing id of its choice in a process of its own, driven by lines of JSON on stdin (`remote_peer.py`)."""

import json
import sys

from raw_peer import RawPeer, message, signed


class Peer:
    """Connections to some channels under one routing id."""

    def __init__(self, info, channels, identity):
        self.key = info["key"].encode()
        self.lines = {channel: RawPeer(info, channel, identity=identity.encode()) for channel in channels}

    def do_say(self, channel, msg_type, content, session, needs):
        """Sends a signed message; returns its msg_id."""
        frames, msg_id = signed(self.key, msg_type, content, session, {"fleet": needs})
        self.lines[channel].send(message(frames))
        return msg_id

    def do_heard(self, channel, seconds):
        """Waits for a message, and returns its type and content; null if none comes."""
        line = self.lines[channel]
        if line.is_silent(seconds):
            return None
        frames = line.receive_message()
        header, _, _, content = (json.loads(part) for part in frames[frames.index(b"<IDS|MSG>") + 2 :][:4])
        return [header["msg_type"], content]


def main():
    peer = Peer(**json.loads(sys.argv[1]))
    print(json.dumps("connected"), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(peer, f"do_{command.pop('do')}")(**command)), flush=True)


if __name__ == "__main__":
    main()
