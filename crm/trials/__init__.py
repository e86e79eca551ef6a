"""Trials (对照试验): who was drawn for what, at random, before anybody was touched.

A trial belongs to whatever is tried, which points at it; the draw is kept as rows and can be made
again from its salt. What surprises: WeCom shows a post to whoever carries a tag, never to a list,
so somebody is held out by not carrying it: as long as a trial ``holds_until``, the tag of its
audience stays off the control. Nothing is judged here; that is ``analytics/results``.
"""
