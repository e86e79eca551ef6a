"""Follow-ups (跟进): whom an agent should turn to next, and why.

Reasons are found in facts and orders by one statement each (``finding``), every few minutes. What
surprises: a reason has a key for ever (this message, this order, this year's birthday), so what was
done, skipped or settled by itself never comes back for the same occurrence; and whoever wants no
marketing is never named for a reason of ours, only for one of their own.
"""
