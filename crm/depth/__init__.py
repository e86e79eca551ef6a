"""Depth (关系深度): how close a customer is to us, from dated and named events alone.

The index is a sum of published points for what happened in a year (``scoring``), never a guess of
a model: every point opens the events that it was given for. What surprises: it is worked out when
it is asked for, as of any day, and kept nowhere.
"""
