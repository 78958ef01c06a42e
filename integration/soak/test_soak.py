"""Mixed load with churn, in cycles; after each, serve holds what it held before, and its memory does not grow with time.

Another length: integration/run soak --soak-seconds 1800. Another seed: SOAK_SEED=7.
"""

import os
import random
from statistics import median

import pytest
from soak import CONFIG, Scale, Soak

MEBIBYTE = 1024  # samples are in KiB
# Of the samples, what counts as warming up: pages of the program and of the allocator that were not touched before.
WARM_UP = 1 / 3
# The allocator (glibc) keeps what was freed, in arenas of each thread, and a cycle that needs more at one moment leaves
# more behind: samples of one run lie some MiB apart. The medians of the two last thirds lie closer together. A leak grows with
# the number of cycles between them: of half an hour's, 200 KiB per cycle would exceed this.
GROWTH = 4 * MEBIBYTE
# Against what was held before the first cycle: outboxes, arenas and caches that were used once.
TOLERANCE = 24 * MEBIBYTE
# A plain ipykernel misses about one interrupt in a thousand.
UNINTERRUPTED = 0.05
# Tokio's pool of threads for blocking calls grows with how many come at the same time.
MOST_THREADS = 64

SEED = int(os.environ.get("SOAK_SEED", random.randrange(2**32)))


@pytest.fixture
def soak(launch, pytestconfig):
    fleet = launch(config=CONFIG)
    try:
        fleet.start()
        soak = Soak(fleet, Scale(seconds=pytestconfig.getoption("--soak-seconds"), seed=SEED))
        yield soak
        soak.close()
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()


@pytest.mark.proxy_only
@pytest.mark.timeout(0)
def test_after_the_load_serve_holds_what_it_held_before(soak):
    soak.run()
    after = soak.end()
    soak.say(after, 0)
    totals, unrest = soak.totals, soak.unrest.done
    tell(soak, totals, unrest)
    assert not totals.faults, "\n".join(totals.faults)
    assert not totals.garbled, "\n".join(totals.garbled)
    assert totals.numbers["answered"] + len(totals.unanswered) == totals.numbers["requests"]
    # Those that a kernel has forgotten, as it says itself.
    assert len(totals.unanswered) <= soak.forgetful, "\n".join(totals.unanswered)
    assert len(totals.uninterrupted) <= UNINTERRUPTED * totals.ends["KeyboardInterrupt"], "\n".join(totals.uninterrupted)
    assert totals.numbers["without_idle"] <= sum(unrest.values()), "a request ended without idle, and nobody disturbed its kernel"
    assert "panicked" not in soak.fleet.stderr
    # Files, tasks, kernels and clients were waited for after each cycle, and after the last.
    assert max(sample.threads for sample in soak.samples) <= MOST_THREADS
    assert_memory_is_flat([sample.memory for sample in soak.samples], soak.before.memory)


def assert_memory_is_flat(memory, before):
    warm = memory[int(len(memory) * WARM_UP):]
    earlier, later = warm[: -(-len(warm) // 2)], warm[len(warm) // 2:]
    growth = median(later) - median(earlier)
    print(f"memory, KiB: {before} before, {memory[-1]} after; {median(earlier):.0f} and then {median(later):.0f} in the middle")
    assert growth <= GROWTH, f"memory grew by {growth} KiB: {memory}"
    assert memory[-1] - before <= TOLERANCE, f"memory was {before} KiB and is {memory[-1]} KiB: {memory}"


def test_what_grows_with_each_cycle_is_no_flat_memory():
    waves = [20_000 + 1_500 * (number % 3) for number in range(60)]
    assert_memory_is_flat(waves, 15_000)
    with pytest.raises(AssertionError, match="grew by"):
        assert_memory_is_flat([each + 250 * number for number, each in enumerate(waves)], 15_000)
    with pytest.raises(AssertionError, match="and is"):
        assert_memory_is_flat([each + 60_000 for each in waves], 15_000)


def tell(soak, totals, unrest):
    """The figures, for the README."""
    counters = soak.fleet.answer("status")["counters"]
    print(f"{len(soak.samples)} cycles; {sum(totals.visits.values())} visits: {dict(totals.visits)}")
    print(f"{dict(totals.numbers)}; ends of cells: {dict(totals.ends)}; residents asked {soak.asked} times")
    print(f"kernels that came up: {soak.kernels_started()}; unrest: {unrest}; kernels that forgot a request: {soak.forgetful}")
    print(f"counters of serve: {counters}")
