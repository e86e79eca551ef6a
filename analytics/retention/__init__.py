"""Retention (留存): do they come back? Cohorts of a birth event, and who returned when.

The question and what it means stand in ``question``; ``kernel`` folds each customer once over the
same columns as the funnel, into one bit per period. What surprises: a period counts only for
customers whose whole period has passed, so the youngest cohorts have shorter rows instead of a tail
that falls by itself.
"""
