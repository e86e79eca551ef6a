"""Reviews (复盘): what a send or a post to Moments cost, and what it teaches the next one.

A line belongs to one send or to one post, never to both. What surprises: there is no row for the
review itself; its numbers are told by ``analytics.results`` whenever somebody looks, and only what
people wrote down is kept. No line of costs means that nobody knows, not that it was free.
"""
