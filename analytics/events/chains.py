"""The compiled fold of questions with everything: bounds between steps, exclusions, totals.

`kernel` answers the plain question in one pass; here every entry gets a pass of its own over the
instants inside its window, so that all options can be exact together. The meaning of every result
is written in `analytics.funnels.question`. For one entry:

1. Forwards over its instants. At each instant and for each number of steps done before, the latest
   moment is kept from which a chain may go on: later moments leave more of an upper bound and less
   room for an excluded event, and moments nearer than the shortest gap have not been let in yet.
2. Only for the entry that wins: backwards, from which instants the best level can still be
   attained, and then forwards again, taking at each instant as many steps as lead there.

Times are microseconds. All arrays belong to one block of customers; events are numbered in it.
"""  # fmt: skip

import numpy as np

from analytics.events.kernel import MAX_STEPS, OPEN, SETTLED, YOUNG, compiled

ORDERED, STRICT_INCREASE, ANY_ORDER, STRICT = 0, 1, 2, 3
# Positions in the array of settings.
STEPS, WINDOW, SINCE, UNTIL, CUT, ORDER, FIRST_ONLY, NOW, TOTALS, HELD, BOUNDED = range(11)
SETTINGS = 11
FOREVER = np.int64(1) << 61


@compiled
def add_match(own, holder):
    """Let one more event fill one of the steps in `own`; others may move. Whether it could."""
    came_from = np.empty(MAX_STEPS, np.int64)
    queue = np.empty(MAX_STEPS, np.int64)
    seen = own
    head, tail, free = 0, 0, -1
    for step in range(MAX_STEPS):
        if own >> step & 1:
            came_from[step] = -1
            queue[tail] = step
            tail += 1
    while head < tail and free < 0:
        step = queue[head]
        head += 1
        if holder[step] == 0:
            free = step
            break
        for other in range(MAX_STEPS):
            if holder[step] >> other & 1 and not seen >> other & 1:
                seen |= np.int64(1) << other
                came_from[other] = step
                queue[tail] = other
                tail += 1
    if free < 0:
        return False
    while came_from[free] >= 0:
        holder[free] = holder[came_from[free]]
        free = came_from[free]
    holder[free] = own
    return True


@compiled
def usable(event, value, masks, held, taken):
    """Steps that an event may fill in a chain that holds `value` (0: whatever)."""
    if taken[event] or (value and held[event] != value):
        return np.int64(0)
    return np.int64(masks[event])


@compiled
def fills(start, stop, low, high, value, masks, held, taken, holder):
    """Whether different events in start..stop can fill all the steps low..high - 1."""
    if low >= high:
        return True
    bits = ((np.int64(1) << high) - 1) & ~((np.int64(1) << low) - 1)
    for step in range(MAX_STEPS):
        holder[step] = 0
    size = 0
    for event in range(start, stop):
        own = usable(event, value, masks, held, taken) & bits
        if own and add_match(own, holder):
            size += 1
            if size == high - low:
                return True
    return False


@compiled
def run_here(start, stop, level, settings, shortest, value, masks, held, taken, holder):
    """How many steps from `level` on the events of one instant can fill."""
    steps, run = settings[STEPS], 0
    most = stop - start
    while level + run < steps and run < most:
        if run and (settings[ORDER] == STRICT_INCREASE or shortest[level + run] > 0):
            break
        if not fills(start, stop, level, level + run + 1, value, masks, held, taken, holder):
            break
        run += 1
    return run


@compiled
def run_beside(entry, start, stop, settings, shortest, value, masks, held, taken, holder):
    """How many steps from the second on other events at the entry's instant can fill."""
    if settings[STEPS] == 1 or settings[ORDER] == STRICT_INCREASE or shortest[1] > 0:
        return 0
    taken[entry] = 1
    run = run_here(start, stop, 1, settings, shortest, value, masks, held, taken, holder)
    taken[entry] = 0
    return run


@compiled
def may_leave(before, level, group, is_entry, run, starts, settings, bans, banned):
    """Whether a chain may go on that did steps before + 1..level at this instant."""
    if settings[ORDER] == STRICT and not is_entry and run != starts[group + 1] - starts[group]:
        return False
    for x in range(bans.shape[0]):
        after, until = bans[x, 0], bans[x, 1]
        if after <= level < until and before >= after and banned[x, group] == group:
            return False
    return True


@compiled
def may_reach(level, group, later, times, settings, longest, bans, banned):
    """Whether step level + 1 may happen at instant `later` when `level` steps end at `group`."""
    if settings[ORDER] == STRICT and later != group + 1:
        return False
    if times[later] - times[group] > longest[level]:
        return False
    for x in range(bans.shape[0]):
        # banned[x, g] is the first instant from g on with an event of this exclusion.
        if (
            bans[x, 0] <= level < bans[x, 1]
            and group + 1 < later
            and (banned[x, group + 1] < later)
        ):
            return False
    return True


@compiled
def level_from(
    entry,
    home,
    last,
    value,
    starts,
    times,
    settings,
    longest,
    shortest,
    bans,
    banned,
    masks,
    held,
    taken,
    leaves,
    candidate,
    cursor,
    latest,
    holder,
):
    """Best level of one entry at instant `home`; `latest[k]` becomes when k steps last ended."""
    steps, best = settings[STEPS], 1
    for level in range(steps + 1):
        candidate[level] = -1
        cursor[level] = home
        latest[level] = -1
        for group in range(home, last + 1):
            leaves[level, group] = 0
    run = 1 + run_beside(
        entry, starts[home], starts[home + 1], settings, shortest, value, masks, held, taken, holder
    )
    for level in range(1, run + 1):
        leaves[level, home] = 1
        latest[level] = times[home]
    best = run
    for group in range(home + 1, last + 1):
        if best == steps:
            break
        for before in range(1, steps):
            while cursor[before] < group and (
                times[cursor[before]] <= times[group] - shortest[before]
            ):
                if leaves[before, cursor[before]]:
                    candidate[before] = cursor[before]
                cursor[before] += 1
            come_from = candidate[before]
            if come_from < 0 or not may_reach(
                before, come_from, group, times, settings, longest, bans, banned
            ):
                continue
            run = run_here(
                starts[group],
                starts[group + 1],
                before,
                settings,
                shortest,
                value,
                masks,
                held,
                taken,
                holder,
            )
            for length in range(1, run + 1):
                level = before + length
                latest[level] = times[group]
                best = max(best, level)
                if level < steps and may_leave(
                    before, level, group, False, length, starts, settings, bans, banned
                ):
                    leaves[level, group] = 1
    return best


@compiled
def chain_to(
    goal,
    entry,
    home,
    last,
    value,
    starts,
    times,
    settings,
    longest,
    shortest,
    bans,
    banned,
    masks,
    held,
    taken,
    leaves,
    onward,
    candidate,
    cursor,
    holder,
    chain,
):
    """Write the earliest chain of this entry that attains `goal`, which it does."""
    # leaves[k, g] is now: from instant g, with k steps done before it, the goal can be attained;
    # onward[k, g]: the instant at which step k + 1 can follow when k steps end at g.
    for level in range(goal + 1):
        candidate[level] = -1
        cursor[level] = last + 1
        for group in range(home, last + 1):
            leaves[level, group] = 0
            onward[level, group] = -1
    for group in range(last, home - 1, -1):
        for level in range(1, goal):
            while cursor[level] - 1 > group and (
                times[cursor[level] - 1] >= times[group] + shortest[level]
            ):
                cursor[level] -= 1
                if leaves[level, cursor[level]]:
                    candidate[level] = cursor[level]
            later = candidate[level]
            if later >= 0 and may_reach(
                level, group, later, times, settings, longest, bans, banned
            ):
                onward[level, group] = later
        if group == home:
            break
        for before in range(1, goal):
            run = run_here(
                starts[group],
                starts[group + 1],
                before,
                settings,
                shortest,
                value,
                masks,
                held,
                taken,
                holder,
            )
            for length in range(1, min(run, goal - before) + 1):
                level = before + length
                if level == goal or (
                    onward[level, group] >= 0
                    and may_leave(
                        before, level, group, False, length, starts, settings, bans, banned
                    )
                ):
                    leaves[before, group] = 1
                    break
    chain[0] = entry
    level, group = 1, home
    run = run_beside(
        entry, starts[home], starts[home + 1], settings, shortest, value, masks, held, taken, holder
    )
    taken[entry] = 1
    for length in range(min(run, goal - 1), -1, -1):
        if 1 + length == goal or onward[1 + length, home] >= 0:
            pick(
                starts[home],
                starts[home + 1],
                1,
                1 + length,
                value,
                masks,
                held,
                taken,
                holder,
                chain,
            )
            level = 1 + length
            break
    while level < goal:
        group = onward[level, group]
        run = run_here(
            starts[group],
            starts[group + 1],
            level,
            settings,
            shortest,
            value,
            masks,
            held,
            taken,
            holder,
        )
        for length in range(min(run, goal - level), 0, -1):
            if level + length == goal or (
                onward[level + length, group] >= 0
                and may_leave(
                    level, level + length, group, False, length, starts, settings, bans, banned
                )
            ):
                pick(
                    starts[group],
                    starts[group + 1],
                    level,
                    level + length,
                    value,
                    masks,
                    held,
                    taken,
                    holder,
                    chain,
                )
                level += length
                break
    for step in range(goal):
        taken[chain[step]] = 0


@compiled
def pick(start, stop, low, high, value, masks, held, taken, holder, chain):
    """Events of one instant for the steps low..high - 1, each the first recorded that can be."""
    for step in range(low, high):
        for event in range(start, stop):
            if not usable(event, value, masks, held, taken) >> step & 1:
                continue
            taken[event] = 1
            if fills(start, stop, step + 1, high, value, masks, held, taken, holder):
                chain[step] = event
                break
            taken[event] = 0


@compiled
def any_from(entry, home, last, value, starts, settings, masks, held, taken, holder, chain):
    """Any order: the events in the window of this entry that each fill one more step."""
    steps, level = settings[STEPS], 1
    for step in range(MAX_STEPS):
        holder[step] = 0
    add_match(np.int64(masks[entry]), holder)
    chain[0] = entry
    for event in range(starts[home], starts[last + 1]):
        if level == steps:
            break
        own = usable(event, value, masks, held, taken)
        if event != entry and own and add_match(own, holder):
            chain[level] = event
            level += 1
    return level


@compiled
def goes_on(start_time, settings, longest, latest):
    """Whether what is still to come may add a step to a chain of an entry, in time."""
    if start_time + settings[WINDOW] <= settings[NOW]:
        return False
    if not settings[BOUNDED]:
        return True
    for level in range(1, settings[STEPS]):
        if latest[level] >= 0 and latest[level] + longest[level] > settings[NOW]:
            return True
    return False


@compiled
def can_open(event, masks, held, settings):
    """Whether an event is of the kind that opens a chain."""
    bits = np.int64(1)
    if settings[ORDER] == ANY_ORDER:
        bits = (np.int64(1) << settings[STEPS]) - 1
    return np.int64(masks[event]) & bits != 0 and (not settings[HELD] or held[event] != 0)


@compiled
def may_enter(event, first_at, at, masks, held, settings):
    """Whether an event may be an entry: of the kind, in the cohort dates and, if asked, first."""
    if at[event] < settings[SINCE] or at[event] >= settings[UNTIL]:
        return False
    if settings[FIRST_ONLY] and at[event] != first_at:
        return False
    return can_open(event, masks, held, settings)


@compiled
def state_of(may_rise, last_entry_at, settings):
    """What may still become of an attempt; see `kernel` for the three states."""
    if may_rise:
        return OPEN
    return YOUNG if last_entry_at + settings[WINDOW] > settings[NOW] else SETTLED


@compiled
def is_better(level, entry, chain, best, best_chain, at):
    """Whether a chain beats the best so far: longer, or as long, at once, and earlier."""
    if level != best:
        return level > best
    if at[entry] != at[best_chain[0]]:
        return False
    for step in range(level):
        if at[chain[step]] != at[best_chain[step]]:
            return at[chain[step]] < at[best_chain[step]]
    return False


@compiled
def fold_chains(
    low,
    high,
    offsets,
    base,
    at,
    masks,
    exclusions,
    held,
    skip,
    settings,
    longest,
    shortest,
    bans,
    units,
    levels,
    opens,
    chains,
):
    """Fold the units in rows low..high; returns how many attempts were written.

    `at`, `masks`, `exclusions` (one bit each) and `held` belong to the events from `base` on. Each
    attempt writes its unit's row, level, what may still become of it, and the events of its chain.
    """
    steps, order, window = settings[STEPS], settings[ORDER], settings[WINDOW]
    most = np.int64(0)
    for row in range(low, high):
        most = max(most, np.int64(offsets[row + 1]) - np.int64(offsets[row]))
    starts = np.zeros(most + 2, np.int64)
    times = np.zeros(most + 1, np.int64)
    group_of = np.zeros(most + 1, np.int64)
    banned = np.zeros((bans.shape[0], most + 2), np.int64)
    leaves = np.zeros((steps + 1, most + 1), np.uint8)
    onward = np.zeros((steps + 1, most + 1), np.int64)
    candidate = np.zeros(steps + 1, np.int64)
    cursor = np.zeros(steps + 1, np.int64)
    latest = np.zeros(steps + 1, np.int64)
    holder = np.zeros(MAX_STEPS, np.int64)
    chain = np.zeros(MAX_STEPS, np.int64)
    best_chain = np.zeros(MAX_STEPS, np.int64)
    taken = np.zeros(at.size, np.uint8)
    written = 0
    for row in range(low, high):
        if skip.size and skip[row]:
            continue
        first, stop = np.int64(offsets[row]) - base, np.int64(offsets[row + 1]) - base
        while stop > first and at[stop - 1] > settings[CUT]:
            stop -= 1
        groups = 0
        for event in range(first, stop):
            if event == first or at[event] != at[event - 1]:
                starts[groups] = event
                times[groups] = at[event]
                groups += 1
            group_of[event - first] = groups - 1
        starts[groups] = stop
        for x in range(bans.shape[0]):
            banned[x, groups] = groups
            for group in range(groups - 1, -1, -1):
                banned[x, group] = banned[x, group + 1]
                for event in range(starts[group], starts[group + 1]):
                    if exclusions[event] >> x & 1:
                        banned[x, group] = group
        best, is_open = np.int64(0), False
        first_at, not_before = np.int64(-1), np.int64(-1)
        last = 0
        for entry in range(first, stop):
            if settings[FIRST_ONLY]:
                if first_at < 0 and can_open(entry, masks, held, settings):
                    first_at = at[entry]
                if first_at >= 0 and at[entry] != first_at:
                    break
            if not may_enter(entry, first_at, at, masks, held, settings):
                continue
            if settings[TOTALS] and (taken[entry] or at[entry] < not_before):
                continue
            if best == steps and at[entry] > at[best_chain[0]]:
                break
            home = group_of[entry - first]
            last = max(last, home)
            while last + 1 < groups and times[last + 1] - at[entry] <= window:
                last += 1
            value = np.int64(held[entry]) if settings[HELD] else np.int64(0)
            if order == ANY_ORDER:
                level = any_from(
                    entry, home, last, value, starts, settings, masks, held, taken, holder, chain
                )
            else:
                level = level_from(
                    entry,
                    home,
                    last,
                    value,
                    starts,
                    times,
                    settings,
                    longest,
                    shortest,
                    bans,
                    banned,
                    masks,
                    held,
                    taken,
                    leaves,
                    candidate,
                    cursor,
                    latest,
                    holder,
                )
            can_rise = goes_on(at[entry], settings, longest, latest)
            is_open = is_open or can_rise
            if not settings[TOTALS] and (
                level < best or (level == best and at[entry] != at[best_chain[0]])
            ):
                continue
            if order != ANY_ORDER:
                chain_to(
                    level,
                    entry,
                    home,
                    last,
                    value,
                    starts,
                    times,
                    settings,
                    longest,
                    shortest,
                    bans,
                    banned,
                    masks,
                    held,
                    taken,
                    leaves,
                    onward,
                    candidate,
                    cursor,
                    holder,
                    chain,
                )
            if settings[TOTALS]:
                not_before = at[chain[level - 1]] if level == steps else at[entry] + window + 1
                units[written] = row
                levels[written] = level
                opens[written] = state_of(level < steps and can_rise, at[entry], settings)
                for step in range(level):
                    chains[step, written] = chain[step] + base
                    taken[chain[step]] = 1
                written += 1
            elif is_better(level, entry, chain, best, best_chain, at):
                best = level
                for step in range(level):
                    best_chain[step] = chain[step]
        if best:
            units[written] = row
            levels[written] = best
            entry = stop - 1
            while entry > first and not may_enter(entry, first_at, at, masks, held, settings):
                entry -= 1
            opens[written] = state_of(best < steps and is_open, at[entry], settings)
            for step in range(best):
                chains[step, written] = best_chain[step] + base
            written += 1
    return written


@compiled
def values_as_of_events(units, events, offsets, rows, codes, own, out):
    """Value of a dimension as of some events: theirs, else the latest earlier one, else `own`."""
    for i in range(events.size):
        event, start = np.int64(events[i]), np.int64(offsets[units[i]])
        out[i] = 0
        if rows.size:
            low, high = 0, rows.size
            while low < high:
                middle = (low + high) // 2
                if rows[middle] <= event:
                    low = middle + 1
                else:
                    high = middle
            if low and rows[low - 1] >= start:
                out[i] = codes[low - 1]
        elif codes.size:
            while event >= start and codes[event] == 0:
                event -= 1
            if event >= start:
                out[i] = codes[event]
        if out[i] == 0 and own.size:
            out[i] = own[units[i]]
