"""Risk (删除风险): how likely a customer deletes their agent within 7 days of one more promotion.

One row for each friend, worked out every night from a handful of published features
(``features``): by the weights of the newest model that stood its test on later weeks, and by
published points where there is none. What surprises: this room knows no fitting; weights come from
analytics through ``publish_model``, so that the gate can read a score without asking analytics. The
same statement (``observing``) tells features of past touches and of today, so that a model is used
on exactly what it was fitted on.
"""
