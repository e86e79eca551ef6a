"""Roaring bitmaps over customers: which values each one has. A copy, never the record.

Values are rows of `SegmentBits`, in chunks of 2^20 customer ids so that a changed customer rewrites
at most 128 kB. Numbers and days are bit-sliced: one bitmap per binary digit, so that any threshold
is answered exactly. Facts are bitmaps per kind, day and "at least n times that day".

Readers take the changed customers first and the bitmaps afterwards; a refresh in between then only
makes them recheck somebody twice.
"""
