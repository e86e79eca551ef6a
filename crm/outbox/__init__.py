"""The outbox (发送队列): everything that we do at WeCom passes here, once.

An outward action is a row with a key of its own. A dispatcher leases it, asks the arbiter, commits
``calling`` and only then calls. What surprises: an unclear answer is never repeated. The row turns
uncertain, WeCom's own records are searched, and what stays unclear waits for a person.
"""
