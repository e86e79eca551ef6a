"""Audiences (人群): the frozen answer to a question, which sends act on.

A segment is the question (analytics); the audience here is the list of people it gave at one
instant. It never changes: asking again makes another audience.
"""
