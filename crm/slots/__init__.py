"""Slots (固定栏目): what goes out again and again, such as a morning greeting with scenery.

A slot has a weekly pattern, a persona account and a pool of materials. The coming fourteen days are
filled with drafts of Moments, which another person approves like any other. What surprises: every
date of a slot is one of planned, empty, missed, done; missed and done are written down once and
stay, whatever becomes of the draft. Nothing is written for a date that no free material is left
for: it stands on the calendar as empty, with the reason.
"""
