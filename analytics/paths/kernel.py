"""The compiled walk: the places of every customer's path, as numbers of events.

Like the other kernels it works on plain arrays, releases the GIL and starts no threads.
"""

import numpy as np

from analytics.events.kernel import compiled, micro_at

SINCE, UNTIL, CUT, CUT_MICRO, WINDOW, NOW, NOW_MICRO, BACKWARDS, REPEATS = range(9)
SETTINGS = 9
NOBODY, ENDED, OPEN = -1, -2, -3
IGNORED = -9


@compiled
def within(second, micro, limit, limit_micro):
    """Whether an instant is not after another."""
    return second < limit or (second == limit and micro <= limit_micro)


@compiled
def walk(
    low, high, offsets, is_anchor, places, codes, seconds, micro_rows, micros, skip, settings,
    found,
):  # fmt: skip
    """Fill `found[row, k]` with the k-th place of each customer's path, or why there is none.

    `is_anchor` has a flag per event; `places` maps an event's code to its number, or IGNORED.
    """
    depth = found.shape[1]
    cut, cut_micro = settings[CUT], settings[CUT_MICRO]
    for row in range(low, high):
        path = found[row - low]
        path[:] = NOBODY
        if skip.size and skip[row]:
            continue
        start, stop = np.int64(offsets[row]), np.int64(offsets[row + 1])
        anchor = np.int64(-1)
        for event in range(start, stop):
            second = np.int64(seconds[event])
            if second >= settings[UNTIL]:
                break
            if is_anchor[event] and second >= settings[SINCE]:
                if within(second, micro_at(event, micro_rows, micros), cut, cut_micro):
                    anchor = np.int64(event)
                break
        if anchor < 0:
            continue
        base, base_micro = np.int64(seconds[anchor]), micro_at(anchor, micro_rows, micros)
        last = np.int64(places[codes[anchor]])
        step = np.int64(-1) if settings[BACKWARDS] else np.int64(1)
        filled = 0
        event = anchor + step
        while start <= event < stop and filled < depth:
            second, micro = np.int64(seconds[event]), micro_at(event, micro_rows, micros)
            if settings[BACKWARDS]:
                if not within(base - settings[WINDOW], base_micro, second, micro):
                    break
            elif not within(second, micro, base + settings[WINDOW], base_micro) or not within(
                second, micro, cut, cut_micro
            ):
                break
            place = np.int64(places[codes[event]])
            if place != IGNORED and (settings[REPEATS] or place != last):
                path[filled] = place
                filled += 1
                last = place
            event += step
        if filled < depth:
            over = settings[BACKWARDS] or within(
                base + settings[WINDOW], base_micro, settings[NOW], settings[NOW_MICRO]
            )
            path[filled:] = NOBODY
            path[filled] = ENDED if over else OPEN
