"""Twenty clients on six kernels, while kernels and serve die at random: one answer to each request, nothing forgotten,
nothing left over.

Another seed, length or rate (kills per second): CHAOS_SEED=7 CHAOS_SECONDS=600 CHAOS_SERVE_KILLS=0.1 integration/run chaos
"""

import os
import random

import pytest
from chaos import Scale, run
from killer import leaders
from registry import disagreements

from harness import processes
from harness.deadline import wait_until

SECONDS = float(os.environ.get("CHAOS_SECONDS", 60))
SCALE = Scale(
    seconds=SECONDS,
    seed=int(os.environ.get("CHAOS_SEED", random.randrange(2**32))),
    kernel_kills=float(os.environ.get("CHAOS_KERNEL_KILLS", 0.7)),
    serve_kills=float(os.environ.get("CHAOS_SERVE_KILLS", 0.15)),
)
# How requests end whose kernel, or way to it, was killed under them, or while it came up.
DEATHS = {"KernelDied", "KernelLost", "KernelBroken", "KernelLaunchFailed", "FleetRestarted"}
# So close to the end of serve, what a client has sent may still be in a socket: nobody has read it, nobody can answer it, and
# a client of Jupyter does not send it again. Everything else is answered.
SOCKET_SECONDS = 0.03

pytestmark = [pytest.mark.proxy_only, pytest.mark.timeout(200 + SECONDS)]


@pytest.fixture
def fleet(launch):
    """A fleet whose kernels outlive serve, where serve is killed."""
    fleet = launch(**({"ephemeral": False} if SCALE.serve_kills else {}))
    try:
        yield fleet.start()
    finally:
        fleet.clear()


def test_every_request_is_answered_once_and_living_kernels_forget_nothing(fleet):
    accounts = run(fleet, SCALE)
    assert_one_answer_each(accounts)
    assert not (forgotten := accounts.forgotten()), "\n".join(forgotten)
    assert_nothing_left_over(fleet, accounts)

    ran = sum(request.is_ok for request in accounts.all())
    killed = [len(accounts.killer.times(what)) for what in ("kernel", "serve")]
    print(f"{len(accounts.all())} requests, {ran} ran; killed {killed[0]} kernels, {killed[1]} times serve")
    assert sum(killed) and ran > SCALE.clients, "nothing happened that could prove anything"


def assert_one_answer_each(accounts):
    """No answer and two answers are two faults; the table shows how near serve's deaths were."""
    doubled, lost = accounts.answered_twice(), accounts.lost_in_a_socket(SOCKET_SECONDS)
    unanswered = [request for request in accounts.unanswered() if request not in lost]
    if lost:
        print(f"lost in a socket, as serve died\n{accounts.table(lost)}")
    assert not doubled, f"TWO ANSWERS (seed {SCALE.seed})\n{accounts.table(doubled)}"
    assert not unanswered, f"NO ANSWER (seed {SCALE.seed})\n{accounts.table(unanswered)}"
    assert not accounts.complaints, accounts.complaints
    strange = accounts.refused(DEATHS)
    assert not strange, f"OTHER ERRORS (seed {SCALE.seed})\n{accounts.table(strange)}"
    last = [requests[-1] for requests in accounts.by_client.values()]
    assert all(request.is_ok for request in last), f"in peace, each is served (seed {SCALE.seed})\n{accounts.table(last)}"


def assert_nothing_left_over(fleet, accounts):
    """The processes that run are the kernels that the clients have, and the registry knows just these."""
    in_use = {requests[-1].answers[0]["state"][0] for requests in accounts.by_client.values()}
    assert len(in_use) == SCALE.kernels, "who shared a kernel still does"

    def is_all():
        return {kernel.pid for kernel in leaders(fleet)} == in_use and len(fleet.kernel_processes()) == len(in_use)

    wait_until(is_all, 10, lambda: f"{in_use} alone to run:\n{processes.describe(fleet.kernel_processes())}")
    if SCALE.serve_kills:
        wait_until(lambda: not disagreements(fleet), 5, lambda: "\n".join(disagreements(fleet)))
