"""Personas (画像类型): which of four kinds a customer is, by published points, with the reasons.

Each customer has one persona or none. What surprises: all four scores are kept, so that a close
second is seen; a persona is worked out again within minutes of what happened, and every night as
the year moves on. What to do with each kind is configured, not built in.
"""
