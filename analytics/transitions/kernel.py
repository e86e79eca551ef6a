"""The compiled fold of transitions: what is known of each customer at two moments.

Like the other kernels it works on plain arrays, releases the GIL and starts no threads.
"""

import numpy as np

from analytics.events.kernel import compiled, micro_at
from analytics.retention.kernel import local_day

ORDER, ADDED, ENDED, MESSAGE = 1, 2, 4, 8  # Bits of an event's mask.
EVENTS, DAYS, LAST_ORDER, LAST_MESSAGE, FIRST_ADDED, FRIENDS = range(6)
FEATURES = 6
NEVER = -1
MOST_AGENTS = 64


@compiled
def changed_friends(mask, agent, agents, friends):
    """Add or take away one agent from the list of those who are friends; its new length."""
    place = -1
    for i in range(friends):
        if agents[i] == agent:
            place = i
    if mask & ADDED and place < 0 and friends < MOST_AGENTS:
        agents[friends] = agent
        return friends + 1
    if mask & ENDED and place >= 0:
        agents[place] = agents[friends - 1]
        return friends - 1
    return friends


@compiled
def fold(
    low, high, offsets, codes, masks, seconds, agent_rows, agent_codes, void_rows, voids, skip,
    edges, shifts, cuts, features,
):  # fmt: skip
    """Fold rows low..high; `features[row, c]` is what was known before second cuts[c]."""
    agents = np.empty(MOST_AGENTS, np.int64)
    days = np.empty(cuts.size, np.int64)
    hint = 0
    last_cut = cuts[cuts.size - 1]
    void = np.searchsorted(void_rows, offsets[low])
    for row in range(low, high):
        known = features[row - low]
        known[:] = 0
        known[:, LAST_ORDER:FRIENDS] = NEVER
        if skip.size and skip[row]:
            continue
        start, stop = np.int64(offsets[row]), np.int64(offsets[row + 1])
        days[:] = NEVER
        friends = 0
        open_cut = 0
        for event in range(start, stop):
            second = np.int64(seconds[event])
            if second >= last_cut:
                break
            while second >= cuts[open_cut]:
                known[open_cut, FRIENDS] = friends
                open_cut += 1
            mask = masks[codes[event]]
            if mask & (ADDED | ENDED):
                agent = np.int64(micro_at(event, agent_rows, agent_codes))
                friends = changed_friends(mask, agent, agents, friends)
            void_at, day = np.int64(1 << 40), np.int64(NEVER)
            if mask & ORDER:
                while void < void_rows.size and void_rows[void] < event:
                    void += 1
                if void < void_rows.size and void_rows[void] == event:
                    void_at = voids[void]
                day, hint = local_day(second, edges, shifts, hint)
            for cut in range(open_cut, cuts.size):
                known[cut, EVENTS] += 1
                if mask & MESSAGE:
                    known[cut, LAST_MESSAGE] = second
                if mask & ADDED and known[cut, FIRST_ADDED] == NEVER:
                    known[cut, FIRST_ADDED] = second
                if mask & ORDER and void_at >= cuts[cut]:
                    known[cut, LAST_ORDER] = second
                    if days[cut] != day:
                        days[cut] = day
                        known[cut, DAYS] += 1
        known[open_cut:, FRIENDS] = friends
