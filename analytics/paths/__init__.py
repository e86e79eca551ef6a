"""Paths (路径): what customers do after a step, or did before it, and which way most went.

Every customer is counted once, by their first such event in the dates. What surprises: the same
event several times in a row is one place on the path, unless repeats are asked for, because a chat
of forty messages would otherwise be every path.
"""
