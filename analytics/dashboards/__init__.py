"""Dashboards: Today (今日), what needs somebody now, and the figures of agents (员工).

Figures are counted from facts when they are asked for, within the viewer's scope. What surprises:
ranges of days end yesterday, because today is not over.
"""
