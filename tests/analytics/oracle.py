"""The funnel's definition, slow and obvious: every chain of every entry is tried.

Times are integers (microseconds). A step is a set of event letters. Nothing here is shared with
the product, so that the two can only agree by meaning the same.
"""

from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Happening:
    """One event of one customer; `number` is its place in order of recording."""

    at: int
    letter: str
    number: int


@dataclass(frozen=True)
class Verdict:
    """What the definition says of one customer; `times` are those of the chosen chain."""

    level: int
    is_open: bool = False
    entry: int | None = None
    times: tuple[int, ...] = ()


NOBODY = Verdict(0)


def judge(
    log, steps, *, window, order="ordered", entry="any", since=None, until=None, as_of=None, now=0
):
    """Level, openness, entry event and chain times of one customer's log of (at, letter)."""
    numbers = count()
    events = [Happening(at, letter, next(numbers)) for at, letter in log]
    events = sorted(events, key=lambda event: (event.at, event.number))
    if as_of is not None:
        events = [event for event in events if event.at <= as_of]
    opening = set().union(*steps) if order == "any" else steps[0]
    entries = [event for event in events if event.letter in opening]
    if entry == "first" and entries:
        entries = [event for event in entries if event.at == entries[0].at]
    entries = [
        event
        for event in entries
        if (since is None or event.at >= since) and (until is None or event.at < until)
    ]
    if not entries:
        return NOBODY
    find = window_times if order == "any" else chain_times
    best = None
    for event in entries:
        times = find(event, events, steps, window, order)
        key = (-len(times), event.at, times, event.number)
        if best is None or key < best[0]:
            best = (key, event, times)
    _, chosen, times = best
    is_open = len(times) < len(steps) and any(event.at + window > now for event in entries)
    return Verdict(len(times), is_open, chosen.number, times)


def chain_times(entry, events, steps, window, order):
    """Longest chain of this entry; among the longest the one whose times are earliest."""
    best = (entry.at,)

    def extend(times, used):
        nonlocal best
        if (-len(times), times) < (-len(best), best):
            best = times
        if len(times) == len(steps):
            return
        for event in events:
            late = event.at <= times[-1] if order == "strict_increase" else event.at < times[-1]
            if late or event.number in used or event.at - entry.at > window:
                continue
            if event.letter in steps[len(times)]:
                extend((*times, event.at), used | {event.number})

    extend((entry.at,), {entry.number})
    return best


def window_times(entry, events, steps, window, order):
    """When the first, second … different step was reached inside the window of this entry."""
    inside = [event for event in events if entry.at <= event.at <= entry.at + window]
    times = []
    for moment in sorted({event.at for event in inside}):
        filled = most_filled([event for event in inside if event.at <= moment], steps)
        times += [moment] * (filled - len(times))
    return tuple(times)


def most_filled(events, steps):
    """The largest number of steps that different events can fill."""
    if not steps:
        return 0
    best = most_filled(events, steps[1:])
    for event in events:
        if event.letter in steps[0]:
            rest = [other for other in events if other.number != event.number]
            best = max(best, 1 + most_filled(rest, steps[1:]))
    return best
