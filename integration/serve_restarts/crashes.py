"""A crash of serve, and what comes after it."""

from harness.deadline import wait_until

SECONDS = 20


def crash(fleet):
    """serve is killed and started again."""
    fleet.kill()
    fleet.restart()


def wait_until_up(fleet):
    """Waits until all kernels are known to be up. The reply to a cell survives a crash only if serve had written that down
    before, some milliseconds after the kernel came up, and if the next serve has reached the kernel by then."""
    wait_until(lambda: set(states(fleet)) == {"up"}, SECONDS, lambda: f"kernels to be up, which are {states(fleet)}\n{fleet.report()}")


def states(fleet):
    return [kernel["status"] for kernel in fleet.registry()["kernels"]]
