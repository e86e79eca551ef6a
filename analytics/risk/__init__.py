"""Risk of deletion (删除风险): learned from our own touches, tested on later weeks, published.

An observation is one promotional message that a customer received; its outcome is whether they
deleted that agent within 7 days. What surprises: the weights that are published are those that were
tested, not a second fit on everything; and an attempt that fails is published too, with its reason,
so that nobody works with a number that nobody could check.
"""
