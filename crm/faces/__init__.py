"""Faces (人设客服): persona accounts, such as 老友会旅行小客服 for silver-haired customers.

A face has a tone, agents who speak for it, and customers it is for: those with a tag, or those of a
saved audience. What surprises: nothing is handed over by itself. Customers who are not yet friends
of one of its agents are listed, and somebody plans their handover. (Personas, 画像类型, are
something else: which of four kinds a customer is.)
"""
