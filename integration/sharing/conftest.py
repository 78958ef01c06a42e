"""Several clients of one kernel."""

import pytest


@pytest.fixture
def crowd(connect, group):
    """Connects so many clients that share one kernel of this runtime."""

    def make(count, runtime="python3"):
        return [connect(group=group, runtime=runtime) for _ in range(count)]

    return make
