"""Facts (事实): what happened to a customer, appended and never edited.

Everything else about a customer (stage, memberships, figures) is derived and can be rebuilt from
facts as of any date. What surprises: ``repeat_order``, ``retained`` and ``active`` are facts too,
appended when they become true, so that a funnel needs no rule of its own for them.
"""
