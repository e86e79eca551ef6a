"""Figures that WeCom makes of agents and of groups, day by day, kept because it forgets them.

WeCom shows 180 days, never today, and sums several agents into one figure, so each is asked alone.
What surprises: at night yesterday is all zeros until WeCom has counted. Such a row is stored as not
settled, is asked for again, and never replaces one that is. A share that WeCom leaves out is not
zero: nobody wrote, so there was nothing to answer.
"""
