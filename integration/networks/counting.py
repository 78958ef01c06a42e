"""A cell that prints numbers until it is told to end: what of them a client has heard tells what a network did to it."""

from harness.deadline import wait_until

STEP_SECONDS = 30


class Counting:
    """A cell of its own per name."""

    def __init__(self, home, name="counting"):
        self._written = home.working_dir / f"{name}.number"
        self._end = home.working_dir / f"{name}.end"

    def cell(self, pause=0.02, padding=0):
        """Prints a line with each number, which it has written down before, `padding` characters longer than that."""
        return (
            "import itertools, os, time\n"
            f"for number in itertools.count():\n"
            f"    open({str(self._written)!r} + '.new', 'w').write(str(number))\n"
            f"    os.replace({str(self._written)!r} + '.new', {str(self._written)!r})\n"
            f"    print('number', number, '.' * {padding}, flush=True)\n"
            f"    if os.path.exists({str(self._end)!r}): break\n"
            f"    time.sleep({pause})\n"
        )

    @property
    def number(self):
        """The number that it has written down last."""
        return int(self._written.read_text()) if self._written.exists() else -1

    def goes_on(self, numbers):
        """Waits until it has come that many numbers further."""
        goal = self.number + numbers
        wait_until(lambda: self.number >= goal, STEP_SECONDS, lambda: f"number {goal}; the cell is at {self.number}")

    def end(self):
        """The next number is the last."""
        self._end.touch()


def text(messages, msg_id):
    """What a cell has printed, of all that was heard."""
    return "".join(message["content"]["text"] for message in outputs(messages, msg_id))


def outputs(messages, msg_id):
    """A cell's messages on stdout."""
    return [each for each in of_cell(messages, msg_id) if each["msg_type"] == "stream" and each["content"]["name"] == "stdout"]


def statuses(messages, msg_id):
    """How the replies to a request say that it ended."""
    replies = [each for each in messages if (each["channel"], each["parent"]) == ("shell", msg_id)]
    return [reply["content"]["status"] for reply in replies]


def of_cell(messages, msg_id):
    """The iopub messages of a cell."""
    return [message for message in messages if (message["channel"], message["parent"]) == ("iopub", msg_id)]


def numbers(messages, msg_id):
    """The numbers that were heard, in the order in which they came."""
    return [int(line.split()[1]) for line in text(messages, msg_id).splitlines() if line.startswith("number ")]


def assert_complete(messages, msg_id, counting):
    """All numbers of the cell have come, each once and in order."""
    heard, printed = numbers(messages, msg_id), list(range(counting.number + 1))
    missing, doubled = sorted(set(printed) - set(heard)), sorted({each for each in heard if heard.count(each) > 1})
    assert heard == printed, f"{len(heard)} of {len(printed)} numbers; missing {spans(missing)}, doubled {spans(doubled)}, in order: {heard == sorted(heard)}"


def spans(sorted_numbers):
    """Numbers, short: `[3-7, 9]`."""
    found = []
    for number in sorted_numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return "[" + ", ".join(f"{first}-{last}" if first != last else str(first) for first, last in found) + "]"
