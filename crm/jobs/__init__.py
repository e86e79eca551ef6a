"""Jobs (作业): long work that shows its progress, can be left, found again, cancelled, and ends.

A row is the queue: somebody creates it as waiting, a worker claims it by a conditional update. What
surprises: progress and heartbeat are written on a connection of their own, because the work itself
is one transaction and others want to see how far it is.
"""
