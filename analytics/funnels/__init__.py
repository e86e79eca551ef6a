"""Funnels (漏斗): where people go on, where they are lost, and who still has time.

``question.py`` is the definition, and every engine is held to it; page, file, command and API ask
the same question and open the same people. What surprises: a step has three states, because who is
still inside the window is neither converted nor lost.
"""
