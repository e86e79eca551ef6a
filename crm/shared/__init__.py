"""What every domain leans on: the base of errors and models, text and time helpers, paging.

It knows no customer, no agent and no WeCom, and imports none of the other rooms.
"""
