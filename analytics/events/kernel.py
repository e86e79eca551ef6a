"""The compiled fold: one pass over (customer, time)-sorted events, per customer one level.

Everything here works on plain arrays, releases the GIL and starts no threads of its own (numba's
own thread pool must not be entered from two web threads at once), so callers split customers into
blocks. The meaning of every result is written in `analytics.funnels.question`; this file only
makes it fast. How a customer is folded:

1. One greedy scan from the first entry. Taking every step as early as possible is optimal for a
   fixed entry, because a chain that stands further along at the same moment can do all that the
   other can. Events of one instant form a group, taken in whichever order leads furthest.
2. Only if the journey is not complete and there are more entries, a forward pass keeps for each
   level the latest entry that has attained it (a later entry leaves more of the window), which
   gives the best level of any entry in linear time.
3. If that beats the first entry, a backward pass keeps for each step the earliest completion that
   can follow, which finds the earliest entry that attains the best level.

Times are whole seconds in four bytes. Microseconds live beside them and are looked up only where
they can decide: two events in the same second, or a distance of exactly one window.
"""

import os
from pathlib import Path

# numba reads its cache folder once, on import. Without a folder shared by all processes every web
# worker would compile for itself. The same folder as `STATE_DIR` of the settings, which are not
# asked: the kernel also runs without Django.
os.environ.setdefault(
    "NUMBA_CACHE_DIR",
    str(Path(os.environ.get("CHANGKE_STATE", Path(__file__).parents[2] / "var")) / "numba"),
)

import numpy as np
from numba import njit

MAX_STEPS = 16
ORDERED, STRICT_INCREASE, ANY_ORDER = 0, 1, 2

# Positions in the array of settings that the fold takes.
STEPS, WINDOW, SINCE, UNTIL, CUT, CUT_MICRO, ORDER, FIRST_ONLY, OVERLAP, NOW, NOW_MICRO = range(11)
SETTINGS = 11
NO_CUT = 1 << 40
# What may become of a unit: nothing more, a higher level, or nothing more though one of its windows
# is not over. Shares among the settled do not depend on when they are read.
SETTLED, OPEN, YOUNG = 0, 1, 2

compiled = njit(nogil=True, cache=True)


@compiled
def micro_at(at, micro_rows, micros):
    """Microseconds of one event: nowhere, in a sparse list of rows, or one for every event."""
    if micros.size == 0:
        return 0
    if micro_rows.size == 0:
        return micros[at]
    low, high = 0, micro_rows.size
    while low < high:
        middle = (low + high) // 2
        if micro_rows[middle] < at:
            low = middle + 1
        else:
            high = middle
    if low < micro_rows.size and micro_rows[low] == at:
        return micros[low]
    return 0


@compiled
def group_end(start, stop, seconds, micro_rows, micros):
    """First event after `start` that happened at another instant."""
    end = start + 1
    second = seconds[start]
    if end >= stop or seconds[end] != second:
        return end
    if micros.size == 0:
        while end < stop and seconds[end] == second:
            end += 1
        return end
    micro = micro_at(start, micro_rows, micros)
    while end < stop and seconds[end] == second and micro_at(end, micro_rows, micros) == micro:
        end += 1
    return end


@compiled
def same_instant(one, other, seconds, micro_rows, micros):
    """Whether two events carry the same time to the microsecond."""
    if seconds[one] != seconds[other]:
        return False
    return micro_at(one, micro_rows, micros) == micro_at(other, micro_rows, micros)


@compiled
def within(entry, later, window, seconds, micro_rows, micros):
    """Whether `later` lies inside the window that opened with `entry`; both ends count."""
    distance = np.int64(seconds[later]) - np.int64(seconds[entry])
    if distance != window:
        return distance < window
    return micro_at(later, micro_rows, micros) <= micro_at(entry, micro_rows, micros)


@compiled
def match_size(start, stop, left_out, bits, codes, masks, holder):
    """How many of the steps in `bits` the events can fill, each event at most one step.

    Augmenting paths over the steps; `holder` (one mask per step) is scratch space. `left_out` is
    an event that may not be used, or -1.
    """
    size = 0
    came_from = np.empty(MAX_STEPS, np.int64)
    queue = np.empty(MAX_STEPS, np.int64)
    for step in range(MAX_STEPS):
        holder[step] = 0
    for event in range(start, stop):
        own = np.int64(masks[codes[event]]) & bits
        if own == 0 or event == left_out:
            continue
        seen = np.int64(0)
        head, tail, free = 0, 0, -1
        for step in range(MAX_STEPS):
            if own >> step & 1:
                seen |= np.int64(1) << step
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
            continue
        while came_from[free] >= 0:
            holder[free] = holder[came_from[free]]
            free = came_from[free]
        holder[free] = own
        size += 1
    return size


@compiled
def run_length(start, stop, level, steps, order, overlap, codes, masks, holder):
    """How many further steps, from `level` on, the events of one instant can fill."""
    if stop - start == 1:
        return np.int64(masks[codes[start]]) >> level & 1
    union = np.int64(0)
    for event in range(start, stop):
        union |= np.int64(masks[codes[event]])
    if order == STRICT_INCREASE:
        return union >> level & 1
    run = 0
    while level + run < steps and union >> (level + run) & 1:
        if overlap and run > 0:
            bits = ((np.int64(1) << (run + 1)) - 1) << level
            if match_size(start, stop, -1, bits, codes, masks, holder) <= run:
                break
        run += 1
    return run


@compiled
def chain_from(entry, stop, settings, codes, seconds, micro_rows, micros, masks, holder, chain):
    """Greedy chain of one entry; `chain[k]` becomes an event at the instant of step k + 1."""
    steps, window = settings[STEPS], settings[WINDOW]
    level = 0
    event = entry
    while event < stop and level < steps:
        if masks[codes[event]] == 0:
            event += 1
            continue
        if level and not within(entry, event, window, seconds, micro_rows, micros):
            break
        end = group_end(event, stop, seconds, micro_rows, micros)
        run = run_length(
            event, end, level, steps, settings[ORDER], settings[OVERLAP], codes, masks, holder
        )
        for step in range(level, level + run):
            chain[step] = event
        level += run
        event = end
    return level


@compiled
def best_level(
    first, stop, settings, codes, seconds, micro_rows, micros, masks, holder, latest, before
):
    """Best level that any entry at or after `first` attains."""
    steps, window, order = settings[STEPS], settings[WINDOW], settings[ORDER]
    best = 0
    for step in range(steps + 1):
        latest[step] = -1
    event = first
    while event < stop:
        mask = np.int64(masks[codes[event]])
        if mask == 0:
            event += 1
            continue
        end = group_end(event, stop, seconds, micro_rows, micros)
        may_enter = settings[SINCE] <= seconds[event] < settings[UNTIL]
        if end - event == 1:
            for level in range(steps - 1, -1, -1):
                if mask >> level & 1:
                    entry = event if level == 0 and may_enter else latest[level]
                    if entry >= 0 and within(entry, event, window, seconds, micro_rows, micros):
                        latest[level + 1] = max(latest[level + 1], entry)
                        best = max(best, level + 1)
        else:
            for level in range(steps + 1):
                before[level] = latest[level]
            before[0] = event if may_enter else -1
            for level in range(steps):
                entry = before[level]
                if entry < 0 or not within(entry, event, window, seconds, micro_rows, micros):
                    continue
                run = run_length(
                    event, end, level, steps, order, settings[OVERLAP], codes, masks, holder
                )
                for step in range(level + 1, level + run + 1):
                    latest[step] = max(latest[step], entry)
                best = max(best, level + run)
        if best == steps:
            return best
        event = end
    return best


@compiled
def earliest_entry(
    first, stop, goal, settings, codes, seconds, micro_rows, micros, masks, holder, done, before
):
    """Earliest entry from which a chain attains level `goal` (which some entry does)."""
    window, order = settings[WINDOW], settings[ORDER]
    found = -1
    for step in range(goal + 2):
        done[step] = -1
    last = stop - 1
    while last >= first:
        if masks[codes[last]] == 0:
            last -= 1
            continue
        event = last
        while event > first and same_instant(event - 1, last, seconds, micro_rows, micros):
            event -= 1
        for step in range(goal + 1):
            before[step] = done[step]
        for level in range(goal):
            run = run_length(
                event, last + 1, level, goal, order, settings[OVERLAP], codes, masks, holder
            )
            completion = -1
            for length in range(1, run + 1):
                candidate = event if level + length == goal else before[level + length]
                if candidate >= 0 and (completion < 0 or candidate < completion):
                    completion = candidate
            if completion < 0:
                continue
            if level:
                if done[level] < 0 or completion < done[level]:
                    done[level] = completion
            elif settings[SINCE] <= seconds[event] < settings[UNTIL] and within(
                event, completion, window, seconds, micro_rows, micros
            ):
                found = event
        last = event - 1
    return found


@compiled
def entry_event(start, stop, settings, codes, seconds, micro_rows, micros, masks, holder):
    """Of the events at the entry's instant the first that can be step 1 of the chosen chain."""
    end = group_end(start, stop, seconds, micro_rows, micros)
    if settings[ORDER] == ANY_ORDER or end - start == 1:
        return start
    run = 1
    if settings[OVERLAP]:
        run = run_length(start, end, 0, settings[STEPS], settings[ORDER], 1, codes, masks, holder)
    others = ((np.int64(1) << run) - 1) & ~np.int64(1)
    for event in range(start, end):
        if not masks[codes[event]] & 1:
            continue
        if run == 1 or match_size(start, end, event, others, codes, masks, holder) == run - 1:
            return event
    return start


@compiled
def window_level(anchor, stop, settings, codes, seconds, micro_rows, micros, masks, holder, chain):
    """Any order: how many different steps happen inside the window that opens with `anchor`."""
    steps, window = settings[STEPS], settings[WINDOW]
    level, event = 0, anchor
    everything = (np.int64(1) << steps) - 1
    union = np.int64(0)
    while event < stop and level < steps:
        mask = np.int64(masks[codes[event]])
        if mask == 0:
            event += 1
            continue
        if not within(anchor, event, window, seconds, micro_rows, micros):
            break
        size = level
        if settings[OVERLAP]:
            size = match_size(anchor, event + 1, -1, everything, codes, masks, holder)
        elif mask & ~union:
            size = level + 1
        union |= mask
        if size > level:
            chain[level] = event
            level = size
        event += 1
    return level


@compiled
def sliding_level(first, stop, settings, codes, seconds, micro_rows, micros, masks, holder, chain):
    """Any order: best level over all windows and the first event of the earliest such window."""
    steps, window = settings[STEPS], settings[WINDOW]
    best, found = 0, -1
    counts = np.zeros(MAX_STEPS, np.int64)
    present, ahead = 0, first
    event = first
    while event < stop:
        if masks[codes[event]] == 0:
            event += 1
            continue
        may_enter = settings[SINCE] <= seconds[event] < settings[UNTIL]
        end = group_end(event, stop, seconds, micro_rows, micros)
        if settings[OVERLAP]:
            if may_enter:
                present = window_level(
                    event, stop, settings, codes, seconds, micro_rows, micros, masks, holder, chain
                )
        else:
            ahead = max(ahead, event)
            while ahead < stop and within(event, ahead, window, seconds, micro_rows, micros):
                for step in range(steps):
                    if masks[codes[ahead]] >> step & 1:
                        counts[step] += 1
                        present += counts[step] == 1
                ahead += 1
        if may_enter and present > best:
            best, found = present, event
        if best == steps or (settings[FIRST_ONLY] and best == 0):
            break
        if settings[FIRST_ONLY]:
            break
        if not settings[OVERLAP]:
            for leaving in range(event, end):
                for step in range(steps):
                    if masks[codes[leaving]] >> step & 1:
                        counts[step] -= 1
                        present -= counts[step] == 0
        event = end
    return best, found


@compiled
def still_open(entry, settings, seconds, micro_rows, micros):
    """Whether the entry's window has not yet run out at the moment of the answer."""
    end = np.int64(seconds[entry]) + settings[WINDOW]
    if end != settings[NOW]:
        return end > settings[NOW]
    return micro_at(entry, micro_rows, micros) > settings[NOW_MICRO]


@compiled
def is_young(first, stop, entry_bits, settings, codes, seconds, micro_rows, micros, masks):
    """Whether the window of any entry at or after `first` has not yet run out."""
    if settings[FIRST_ONLY]:
        return still_open(first, settings, seconds, micro_rows, micros)
    event = stop - 1
    while event >= first and np.int64(seconds[event]) + settings[WINDOW] >= settings[NOW]:
        if (
            np.int64(masks[codes[event]]) & entry_bits
            and settings[SINCE] <= seconds[event] < settings[UNTIL]
            and still_open(event, settings, seconds, micro_rows, micros)
        ):
            return True
        event -= 1
    return False


@compiled
def elapsed(start, end, seconds, micro_rows, micros):
    """Whole seconds between two events."""
    distance = np.int64(seconds[end]) - np.int64(seconds[start])
    if distance and micro_at(end, micro_rows, micros) < micro_at(start, micro_rows, micros):
        distance -= 1
    return distance


@compiled
def fold(
    low,
    high,
    offsets,
    codes,
    seconds,
    micro_rows,
    micros,
    masks,
    skip,
    settings,
    levels,
    opens,
    entries,
    durations,
    reached,
):
    """Fold the customers in rows low..high.

    Writes, at index row - low: the level (0 = not in the cohort), what may still become of it
    (SETTLED, OPEN or YOUNG), and the entry event. For each step k >= 2 appends the seconds since
    the entry to `durations[k - 2]` and counts them in `reached`.
    """  # fmt: skip
    steps, since, until = settings[STEPS], settings[SINCE], settings[UNTIL]
    order, first_only = settings[ORDER], settings[FIRST_ONLY] != 0
    entry_bits = np.int64(1)
    if order == ANY_ORDER:
        entry_bits = (np.int64(1) << steps) - 1
    holder = np.zeros(MAX_STEPS, np.int64)
    chain = np.zeros(MAX_STEPS, np.int64)
    latest = np.zeros(MAX_STEPS + 2, np.int64)
    before = np.zeros(MAX_STEPS + 2, np.int64)
    window, overlap, simple = settings[WINDOW], settings[OVERLAP], micros.size == 0
    for row in range(low, high):
        at = row - low
        levels[at] = 0
        opens[at] = 0
        if skip.size and skip[row]:
            continue
        event, stop = np.int64(offsets[row]), np.int64(offsets[row + 1])
        if settings[CUT] < NO_CUT:
            while stop > event and (
                seconds[stop - 1] > settings[CUT]
                or (
                    seconds[stop - 1] == settings[CUT]
                    and micro_at(stop - 1, micro_rows, micros) > settings[CUT_MICRO]
                )
            ):
                stop -= 1
        level = np.int64(0)
        first, last = np.int64(-1), np.int64(-1)
        waiting = True  # for the first entry
        running = False  # inside the first entry's window
        start, needed = event, entry_bits
        while event < stop:
            mask = np.int64(masks[codes[event]])
            if mask & needed == 0:
                event += 1
                continue
            second = seconds[event]
            end = event + 1
            # Events passed over may belong to this instant, and later steps among them count.
            if (event > start and seconds[event - 1] == second) or (
                end < stop and seconds[end] == second
            ):
                end = group_end(event, stop, seconds, micro_rows, micros)
                while event > start and same_instant(event - 1, event, seconds, micro_rows, micros):
                    event -= 1
                mask = np.int64(0)
                for other in range(event, end):
                    mask |= np.int64(masks[codes[other]])
            if mask & entry_bits and (waiting or not first_only):
                if since <= second < until:
                    last = event
                    if waiting:
                        first = event
                        running = True
                        waiting = False
                elif first_only:
                    break
            if order != ANY_ORDER and running and mask >> level & 1:
                distance = np.int64(second) - np.int64(seconds[first])
                if distance > window or (
                    distance == window
                    and not simple
                    and not within(first, event, window, seconds, micro_rows, micros)
                ):
                    running = False
                else:
                    run = np.int64(1)
                    if end - event > 1:
                        run = run_length(
                            event, end, level, steps, order, overlap, codes, masks, holder
                        )
                    for step in range(level, level + run):
                        chain[step] = event
                    level += run
                    if level == steps:
                        break
            needed = np.int64(0) if first_only and not waiting else entry_bits
            if running:
                needed |= np.int64(1) << level
            event = end
        if first < 0:
            continue
        entry = first
        if order == ANY_ORDER:
            best, entry = sliding_level(
                first, stop, settings, codes, seconds, micro_rows, micros, masks, holder, chain
            )
            level = window_level(
                entry, stop, settings, codes, seconds, micro_rows, micros, masks, holder, chain
            )
        elif level < steps and last > first:
            best = best_level(
                first, stop, settings, codes, seconds, micro_rows, micros, masks, holder,
                latest, before,
            )  # fmt: skip
            if best > level:
                entry = earliest_entry(
                    first, stop, best, settings, codes, seconds, micro_rows, micros, masks,
                    holder, latest, before,
                )  # fmt: skip
                level = chain_from(
                    entry, stop, settings, codes, seconds, micro_rows, micros, masks, holder, chain
                )
        for step in range(1, level):
            durations[step - 1, reached[step - 1]] = elapsed(
                entry, chain[step], seconds, micro_rows, micros
            )
            reached[step - 1] += 1
        if overlap or (entry + 1 < stop and seconds[entry + 1] == seconds[entry]):
            entry = entry_event(
                entry, stop, settings, codes, seconds, micro_rows, micros, masks, holder
            )
        levels[at] = level
        entries[at] = entry
        if level < steps:
            opens[at] = OPEN if still_open(last, settings, seconds, micro_rows, micros) else SETTLED
        elif is_young(first, stop, entry_bits, settings, codes, seconds, micro_rows, micros, masks):
            opens[at] = YOUNG


@compiled
def values_as_of(low, high, offsets, levels, entries, rows, codes, own, out):
    """Dimension value of each folded customer as of the entry.

    The entry's own value, else the latest earlier one of the same customer, else the customer's
    own (`own`, may be empty), else 0. `codes` belongs to the event rows in `rows`, or to every
    event where `rows` is empty.
    """
    # Entries rise with the customers, so one cursor walks along the rows.
    cursor, first = np.int64(0), np.int64(offsets[low])
    right = rows.size
    while cursor < right:
        middle = (cursor + right) // 2
        if rows[middle] < first:
            cursor = middle + 1
        else:
            right = middle
    for row in range(low, high):
        at = row - low
        out[at] = 0
        if levels[at] == 0:
            continue
        entry, start = entries[at], np.int64(offsets[row])
        if rows.size:
            while cursor < rows.size and rows[cursor] <= entry:
                cursor += 1
            if cursor and rows[cursor - 1] >= start:
                out[at] = codes[cursor - 1]
        elif codes.size:
            while entry >= start and codes[entry] == 0:
                entry -= 1
            if entry >= start:
                out[at] = codes[entry]
        if out[at] == 0 and own.size:
            out[at] = own[row]


@compiled
def period_of_entry(low, high, levels, entries, seconds, edges, out):
    """Number of the period [edges[i], edges[i + 1]) in which each entry lies."""
    last = edges.size - 1
    per_second = 1.0 / (edges[1] - edges[0]) if last else 0.0
    for at in range(high - low):
        out[at] = 0
        if levels[at] == 0:
            continue
        second = np.int64(seconds[entries[at]])
        # Periods are equal but for an hour where clocks change: guess, then correct.
        period = min(max(np.int64((second - edges[0]) * per_second), 0), last)
        while period > 0 and edges[period] > second:
            period -= 1
        while period < last and edges[period + 1] <= second:
            period += 1
        out[at] = period


@compiled
def combine(cells, values, places, width):
    """Cell numbers of one more dimension; a value whose place is negative leaves the question."""
    for at in range(cells.size):
        if cells[at] >= 0:
            place = places[values[at]]
            cells[at] = -1 if place < 0 else cells[at] * width + place


@compiled
def tally(levels, opens, cells, counts):
    """Count customers by cell, level and what may still become of them."""
    for at in range(cells.size):
        if levels[at] and cells[at] >= 0:
            counts[cells[at], levels[at] - 1, opens[at]] += 1
