"""The calendar of everything that goes out (排期): Moments, sends, group posts, slots, welcomes.

It owns no table: it reads the rooms below and moves what has not begun by their own actions. Days
bear holidays, make-up workdays, lunar festivals and solar terms (``occasions``). What surprises:
clashes are those that the plan itself shows (one audience written to twice on a day); who is full
is for the gate to say, person by person.
"""
