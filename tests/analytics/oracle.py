"""The funnel's definition, slow and obvious: every chain of every entry is tried.

Times are integers (microseconds). A step is a set of event letters. Nothing here is shared with
the product, so that the two can only agree by meaning the same.
"""

from dataclasses import dataclass, field
from itertools import count, pairwise


@dataclass(frozen=True)
class Happening:
    """One event of one unit; `number` is its place in order of recording."""

    at: int
    letter: str
    number: int
    held: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the definition says of one attempt; `times` and `numbers` are of the chosen chain.

    It is open while it may still rise, and young while the window of any of its entries runs.
    """

    level: int
    is_open: bool = False
    entry: int | None = None
    times: tuple[int, ...] = ()
    numbers: tuple[int, ...] = field(default=(), compare=False)
    is_young: bool = False


NOBODY = Verdict(0)


@dataclass(frozen=True)
class Rules:
    """The options of a question.

    `longest` and `shortest` bound each step's distance to the next; an exclusion is (letters,
    after, before); `hold` asks for one value on all events.
    """

    steps: list
    window: int
    order: str = "ordered"
    entry: str = "any"
    since: int | None = None
    until: int | None = None
    as_of: int | None = None
    now: int = 0
    longest: list | None = None
    shortest: list | None = None
    exclude: tuple = ()
    hold: bool = False


def judge(log, steps, **options):
    """The best attempt of one unit's log of (at, letter) or (at, letter, held value)."""
    rules = Rules(steps, **options)
    events = told(log, rules)
    entries = openings(events, rules)
    if not entries:
        return NOBODY
    best = None
    for event in entries:
        chain = chain_of(event, events, rules)
        times = tuple(link.at for link in chain)
        key = (-len(chain), event.at, times, event.number)
        if best is None or key < best[0]:
            best = (key, chain)
    chain = best[1]
    is_open = len(chain) < len(steps) and any(may_go_on(event, events, rules) for event in entries)
    is_young = any(event.at + rules.window > rules.now for event in entries)
    return verdict(chain, is_open, is_young)


def attempts(log, steps, **options):
    """Totals: every attempt of one unit, in order."""
    rules = Rules(steps, **options)
    events = told(log, rules)
    entries, used, found = openings(events, rules), set(), []
    not_before = None
    while True:
        free = [event for event in events if event.number not in used]
        waiting = [
            event for event in entries
            if event in free and (not_before is None or event.at >= not_before)
        ]  # fmt: skip
        if not waiting:
            return found
        chain = chain_of(waiting[0], events, rules, free)
        used |= {link.number for link in chain}
        done = len(chain) == len(steps)
        not_before = chain[-1].at if done else chain[0].at + rules.window + 1
        is_open = not done and may_go_on(waiting[0], events, rules, free)
        found.append(verdict(chain, is_open, chain[0].at + rules.window > rules.now))


def verdict(chain, is_open, is_young):
    times, numbers = tuple(e.at for e in chain), tuple(e.number for e in chain)
    return Verdict(len(chain), is_open, numbers[0], times, numbers, is_young)


def told(log, rules):
    """The events in order of time, those after the as-of moment left out."""
    numbers = count()
    events = [Happening(at, letter, next(numbers), *held) for at, letter, *held in log]
    events = sorted(events, key=lambda event: (event.at, event.number))
    return [event for event in events if rules.as_of is None or event.at <= rules.as_of]


def openings(events, rules):
    """The events that may be an entry."""
    letters = set().union(*rules.steps) if rules.order == "any" else rules.steps[0]
    entries = [event for event in events if event.letter in letters]
    if rules.hold:
        entries = [event for event in entries if event.held]
    if rules.entry == "first" and entries:
        entries = [event for event in entries if event.at == entries[0].at]
    return [
        event
        for event in entries
        if (rules.since is None or event.at >= rules.since)
        and (rules.until is None or event.at < rules.until)
    ]


def chain_of(entry, events, rules, free=None):
    """The chain of this entry: the longest, then the earliest, then by order of recording."""
    free = events if free is None else free
    if rules.order == "any":
        return different_steps(entry, free, rules)
    chains = all_chains((entry,), events, free, rules)
    return min(chains, key=lambda c: (-len(c), [e.at for e in c], [e.number for e in c]))


def all_chains(chain, events, free, rules):
    """This chain and all that go on from it."""
    yield chain
    if len(chain) == len(rules.steps):
        return
    for event in free:
        if event.letter in rules.steps[len(chain)] and event not in chain:
            longer = (*chain, event)
            if is_allowed(longer, events, rules):
                yield from all_chains(longer, events, free, rules)


def is_allowed(chain, events, rules):
    """Whether a chain keeps every rule."""
    first, last = chain[0], chain[-1]
    for number, (one, other) in enumerate(pairwise(chain)):
        distance = other.at - one.at
        if distance < 0 or (rules.order == "strict_increase" and distance == 0):
            return False
        if rules.longest and distance > rules.longest[number]:
            return False
        if rules.shortest and distance < rules.shortest[number]:
            return False
    if last.at - first.at > rules.window:
        return False
    if rules.hold and any(event.held != first.held for event in chain):
        return False
    if rules.order == "strict" and any(
        first.at < event.at < last.at and event not in chain for event in events
    ):
        return False
    for letters, after, before in rules.exclude:
        if len(chain) > after:
            end = chain[min(before, len(chain)) - 1]
            if any(
                event.letter in letters and chain[after - 1].at < event.at < end.at
                for event in events
            ):
                return False
    return True


def different_steps(entry, free, rules):
    """Any order: the events inside the window of this entry that each fill one more step."""
    inside = [
        event for event in free
        if event != entry and entry.at <= event.at <= entry.at + rules.window
        and (not rules.hold or event.held == entry.held)
    ]  # fmt: skip
    chain = (entry,)
    for event in inside:
        if most_filled([*chain, event], rules.steps) > len(chain):
            chain = (*chain, event)
    return chain


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


def may_go_on(entry, events, rules, free=None):
    """Whether what is still to come could add a step to a chain of this entry, in time."""
    if entry.at + rules.window <= rules.now:
        return False
    if not rules.longest:
        return True
    chains = all_chains((entry,), events, events if free is None else free, rules)
    return any(
        len(chain) < len(rules.steps) and chain[-1].at + rules.longest[len(chain) - 1] > rules.now
        for chain in chains
    )
