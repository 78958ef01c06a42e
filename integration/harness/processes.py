"""Finding the processes that belong to one fleet, whoever their parent is by now."""

import psutil

TAG = "JUPYTER_FLEET_INTEGRATION"


def tagged(tag):
    """The living processes that inherited `tag` in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TAG) == tag:
                found.append(process)
        except psutil.Error:
            continue
    return found


def is_a_fleets_kernel(process):
    try:
        return "JUPYTER_FLEET_KERNEL" in process.environ()
    except psutil.Error:
        return False


def kernels_of(home):
    """The living kernels of the fleet that keeps its files here, whatever environment they were given."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if "JUPYTER_FLEET_KERNEL" in environment and any(str(home) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def describe(processes):
    """One line per process, for a failure's message."""
    lines = []
    for process in processes:
        try:
            lines.append(f"  {process.pid} {' '.join(process.cmdline())}")
        except psutil.Error:
            continue
    return "\n".join(lines)


def end(processes):
    """Kills exactly these processes and waits for them."""
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, timeout=5)
