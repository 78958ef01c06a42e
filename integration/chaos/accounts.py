"""What the clients' accounts prove: one answer to each request, and kernels that forgot nothing while they lived."""

from dataclasses import dataclass

TABLE = "{0:<6} {1:<44} {2:>8} {3:>9} {4:>9}  {5}"


@dataclass(frozen=True)
class Request:
    """One request, seconds since the clients began."""

    client: str
    msg_id: str
    asked: float
    answers: list

    @property
    def is_ok(self):
        return [answer["status"] for answer in self.answers] == ["ok"]


class Accounts:
    """All requests of all clients, in the order of each client; `began` is a time of the monotonic clock."""

    def __init__(self, by_client, killer, began):
        self.complaints = {name: each["complaints"] for name, each in by_client.items() if each["complaints"]}
        self.by_client = {
            name: [Request(asked["client"], asked["msg_id"], asked["asked"] - began, asked["answers"]) for asked in each["requests"]]
            for name, each in by_client.items()
        }
        self.killer, self.began = killer, began

    def all(self):
        return [request for requests in self.by_client.values() for request in requests]

    def unanswered(self):
        """Requests without any answer."""
        return [request for request in self.all() if not request.answers]

    def lost_in_a_socket(self, seconds):
        """Those of them that were sent so close to a death of serve, before or after, that no serve can have read them."""
        return [
            request for request in self.unanswered()
            if min(self.before_serve_died(request), self.since_serve_died(request)) <= seconds
        ]

    def answered_twice(self):
        return [request for request in self.all() if len(request.answers) > 1]

    def refused(self, expected):
        """Answers that are errors of another kind than those that a death explains."""
        return [
            request for request in self.all()
            if any(answer["status"] != "ok" and answer["ename"] not in expected for answer in request.answers)
        ]

    def before_serve_died(self, request):
        """Seconds from the request to the next death of serve."""
        deaths = [at - self.began - request.asked for at in self.killer.times("serve")]
        return min((span for span in deaths if span >= 0), default=float("inf"))

    def since_serve_died(self, request):
        deaths = [request.asked - (at - self.began) for at in self.killer.times("serve")]
        return min((span for span in deaths if span >= 0), default=float("inf"))

    def table(self, requests):
        """The requests as a table, with the nearest deaths of serve, seconds."""
        lines = [TABLE.format("client", "msg_id", "asked", "serve died", "ago", "answers")]
        for request in requests:
            before, since = self.before_serve_died(request), self.since_serve_died(request)
            answers = [f"{each['came'] - self.began:.3f} {each['status']} {each['ename'] or ''} {each['evalue']}" for each in request.answers]
            lines.append(TABLE.format(
                request.client, request.msg_id, f"{request.asked:.3f}", f"in {before:.3f}", f"{since:.3f}", answers or "NONE"
            ))
        return "\n".join([*lines, *self.deaths_around(requests)])

    def deaths_around(self, requests):
        """Who was killed while the requests waited, or shortly before: one line each."""
        first = min((request.asked for request in requests), default=0) - 2
        last = max((request.asked for request in requests), default=0) + 2
        kills = [(at - self.began, what, pid) for what, pid, at in self.killer.killed]
        return [f"killed at {at:.3f}: {what} {pid}" for at, what, pid in kills if first <= at <= last]

    def forgotten(self):
        """Where a living kernel's counters do not follow from what it was asked: one line each."""
        return [line for name, requests in self.by_client.items() for line in forgotten_by(name, requests)]


def forgotten_by(name, requests):
    """A client's own counter grows by one with each of its cells, as long as the process is the same.

    A cell without an answer, or with an error, may have run or not.
    """
    process, own, doubtful = None, 0, 0
    for request in requests:
        if not request.is_ok:
            doubtful += 1
            continue
        now, counter, total, count = request.answers[0]["state"]
        if now != process:
            process, own = now, 0
        if counter != total:
            yield f"{name}, {request.msg_id}: process {now} counts {counter} cells in all, but {total} by client"
        if not own + 1 <= count <= own + 1 + doubtful:
            yield f"{name}, {request.msg_id}: process {now} counts {count} of its cells, after {own} and {doubtful} doubtful"
        own, doubtful = count, 0
