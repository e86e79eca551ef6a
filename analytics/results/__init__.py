"""Results (效果): what a send earned against the people held out, and what it cost in deletions.

Everybody counts by assignment: who was planned to get it is treated, whether it arrived or not; who
was drawn as control is held out. What surprises: while the days of observation are not over the
page tells what was so at the latest planned look, so that opening it often cannot find an effect
that is none; and without a control there is never a verdict, only the word *unproven*.
"""
