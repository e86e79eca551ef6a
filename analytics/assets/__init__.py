"""Data assets (数据资产): how complete and how fresh what we know is, and what of it may be used.

Measured for everybody in the viewer's scope or for a segment, field by field: who has a value, who
lacks it, how old half of the values are at most. What surprises: a value is as old as the last time
that somebody said something else, not as the last synchronisation that repeated it.
"""
