"""Outreach (群发): messages to many customers, or posts in many groups, that agents confirm.

Planning gives every person of an audience one row with one sender: the agent who talked with them
last. The rows are cut into batches, and a batch is one outbox item, so one call. What surprises:
whoever is left out has a row too, with the reason, so the states always add up to the plan; and
``done`` means that WeCom took the task. Whether the agent pressed send is ``result``, asked later.
"""
