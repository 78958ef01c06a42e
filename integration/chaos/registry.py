"""Whether registry.json tells the truth about the processes of a fleet."""

from pathlib import Path

from killer import leaders


def disagreements(fleet):
    """What the registry and the living processes say differently: one line each."""
    written = {(kernel["pid"], kernel["start_time"]) for kernel in fleet.registry()["kernels"]}
    alive = {(process.pid, start_time(process.pid)) for process in leaders(fleet)}
    return [
        *(f"the registry knows process {pid}, started at {ticks}, and no such process lives" for pid, ticks in written - alive),
        *(f"process {pid}, started at {ticks}, lives, and the registry does not know it" for pid, ticks in alive - written),
    ]


def start_time(pid):
    """When a process started, in clock ticks since the machine did (proc(5), field 22 of /proc/PID/stat); None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is a name in parentheses that may hold anything.
    return int(stat.rpartition(")")[2].split()[19])
