"""Membership (会员): tiers with benefits, and the cards that customers hold.

A card is of one tier and holds from a day to a day. What surprises: nobody sets a customer's tier;
it is that of the highest card that holds today, so an expiry moves it by itself, and any past day
can be asked for. A tier may name the one that its cards fall back to when they end.
"""
