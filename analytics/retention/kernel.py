"""The compiled fold of retention: per customer the birth day and one bit per period of return.

Like the funnel's kernel it works on plain arrays, releases the GIL and starts no threads. What the
results mean is written in `analytics.retention.question`.
"""

import numpy as np

from analytics.events.kernel import compiled, micro_at, same_instant

BIRTH, RETURN = 1, 2  # Bits of an event's mask.
ROLLING, CALENDAR, BRACKETS = range(3)
SINCE_DAY, UNTIL_DAY, CUT, CUT_MICRO, MODE, LENGTH, PERIODS, UNBOUNDED, BASE_DAY = range(9)
SETTINGS = 9
NO_BIRTH = -1
DAY = 86_400


@compiled
def local_day(second, edges, shifts, hint):
    """Days since 1970 in the corporation's zone, and the zone's stretch (`hint`) it lies in."""
    while hint + 1 < edges.size and second >= edges[hint + 1]:
        hint += 1
    while hint > 0 and second < edges[hint]:
        hint -= 1
    return (second + shifts[hint]) // DAY, hint


@compiled
def period_after(birth, day, settings, periods_of_days):
    """Number of the period, counted from the birth's, in which `day` lies; -1 for none."""
    mode = settings[MODE]
    if mode == ROLLING:
        return (day - birth) // settings[LENGTH]
    if mode == CALENDAR:
        base = settings[BASE_DAY]
        return periods_of_days[day - base] - periods_of_days[birth - base]
    distance = day - birth
    return periods_of_days[distance] if distance < periods_of_days.size else -1


@compiled
def fold(
    low, high, offsets, codes, masks, seconds, micro_rows, micros, skip, edges, shifts,
    settings, periods_of_days, births, returns,
):  # fmt: skip
    """Fold customers in rows low..high; `births` gets a day or NO_BIRTH, `returns` the bits."""
    cut, cut_micro = settings[CUT], settings[CUT_MICRO]
    last = settings[PERIODS] - 1
    hint = 0
    for row in range(low, high):
        births[row - low] = NO_BIRTH
        returns[row - low] = 0
        if skip.size and skip[row]:
            continue
        start, stop = np.int64(offsets[row]), np.int64(offsets[row + 1])
        born, birth, bits = np.int64(-1), np.int64(NO_BIRTH), np.uint64(0)
        event = start
        while event < stop:
            mask = masks[codes[event]]
            if mask == 0 or event == born:
                event += 1
                continue
            second = np.int64(seconds[event])
            if second > cut or (second == cut and micro_at(event, micro_rows, micros) > cut_micro):
                break
            if born < 0:
                if not mask & BIRTH:
                    event += 1
                    continue
                born = event
                birth, hint = local_day(second, edges, shifts, hint)
                if birth < settings[SINCE_DAY] or birth >= settings[UNTIL_DAY]:
                    birth = np.int64(NO_BIRTH)
                    break
                # Events of the birth's own instant may stand before it.
                while event > start and same_instant(event - 1, born, seconds, micro_rows, micros):
                    event -= 1
                if event == born:
                    event += 1
                continue
            if mask & RETURN:
                day, hint = local_day(second, edges, shifts, hint)
                if day != birth or not mask & BIRTH:
                    period = period_after(birth, day, settings, periods_of_days)
                    if settings[UNBOUNDED] and period >= 0:
                        reached = min(period, last)
                        bits |= (np.uint64(2) << np.uint64(reached)) - np.uint64(1)
                    elif 0 <= period <= last:
                        bits |= np.uint64(1) << np.uint64(period)
            event += 1
        births[row - low] = birth
        returns[row - low] = bits


@compiled
def tally(births, returns, base, cohorts_of_days, eligible_of_days, sizes, ripe, returned):
    """Add customers to their cohorts: `ripe[c, e]` counts those eligible for e periods."""
    for row in range(births.size):
        if births[row] == NO_BIRTH:
            continue
        day = births[row] - base
        cohort, eligible = cohorts_of_days[day], eligible_of_days[day]
        sizes[cohort] += 1
        ripe[cohort, eligible] += 1
        bits = returns[row]
        for period in range(eligible):
            if bits == 0:
                break
            returned[cohort, period] += np.int64(bits & np.uint64(1))
            bits >>= np.uint64(1)
