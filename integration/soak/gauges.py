"""What serve holds: memory, descriptors, tasks, threads, and who is there."""

import os
from dataclasses import asdict, dataclass, fields

import psutil


@dataclass(frozen=True)
class Gauges:
    """One look at serve. `memory` is its resident set in KiB; `files` its open descriptors; `stored` files of its state."""

    memory: int
    files: int
    tasks: int
    threads: int
    kernels: int
    clients: int
    stored: int

    @classmethod
    def read(cls, fleet):
        status = fleet.answer("status")
        process = psutil.Process(fleet.process.pid)
        return cls(
            memory=process.memory_info().rss // 1024,
            files=len(os.listdir(f"/proc/{fleet.process.pid}/fd")),
            tasks=status["tasks"],
            threads=process.num_threads(),
            kernels=status["kernels"],
            clients=status["clients"],
            stored=len(os.listdir(fleet.home.runtime_dir / ".fleet")),
        )

    def is_back_at(self, before):
        """Whether nothing is held that was not held before; memory is another matter."""
        return all(getattr(self, name) <= getattr(before, name) for name in COUNTED)

    def line(self):
        return "  ".join(f"{value:>9}" for value in asdict(self).values())


# The pool of threads for blocking calls keeps idle ones for ten seconds, and some work comes each second: so threads are
# bounded, not counted.
COUNTED = ("files", "tasks", "kernels", "clients")
HEADINGS = "  ".join(f"{field.name:>9}" for field in fields(Gauges))


def descriptors(fleet):
    """What serve's descriptors are, for a failure's message."""
    directory, found = f"/proc/{fleet.process.pid}/fd", []
    for number in os.listdir(directory):
        try:
            found.append(os.readlink(f"{directory}/{number}"))
        except FileNotFoundError:
            continue
    return "\n".join(sorted(found))
