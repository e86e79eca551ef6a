"""Identity (身份): two rows that may be one person, and what a person or agreeing evidence decides.

Evidence that agrees merges once and by itself: the same unionid, where neither side says otherwise.
Whatever contradicts itself waits here for a person, with both sides shown. What surprises: a merge
cannot be undone, so it is refused wherever it would lose a number that somebody still uses.
"""
