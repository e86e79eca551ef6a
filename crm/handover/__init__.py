"""Handover (继承): a working or leaving agent's customers and groups go to other agents.

A ``Handover`` is one plan; it has one ``Transfer`` for each customer whom the agent had, also for
those who stay (``kept``, with the reason), so its states always add up to the agent's customers.
What surprises: WeCom's first answer says only that a transfer has *begun*. The customer is told and
may refuse for a day, nothing tells us of success, so the results are asked for until all is over.
Meanwhile the old agent serves on with all rights; the new one sees a card with what matters.
"""
