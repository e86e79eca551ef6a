"""Experiments (对照实验): what an action earned, against people drawn at random who did not get it.

Everything here counts by **assignment**, not by delivery: who was drawn for the treatment counts as
treated, whether the message arrived or not. What surprises: when the sizes of the arms do not fit
the intended split, no result is shown at all, because something chose who stayed in the data; and
without a control there is no result either, only the word *unproven*.

Methods: analytics methods, sections 0, 7 and 8.
"""
