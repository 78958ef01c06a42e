"""Waiting for conditions, never for time."""

import time

INTERVAL_SECONDS = 0.02


def wait_until(condition, seconds, what):
    """Returns the first truthy value of `condition()`; fails after `seconds`, saying `what` never came.

    `what` may be a function, for a message that shows the state at the deadline.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what() if callable(what) else what}")
        time.sleep(INTERVAL_SECONDS)


class Deadline:
    """What is left of a span of seconds that several steps share."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    @property
    def left(self):
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())
