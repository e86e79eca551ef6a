"""Transitions (流转): where everybody stood on one date, and where on another.

From passer-by to regular (过客→常客) by the number of days with an order, or through the five life
stages. Both are folded from facts as of any date; nothing is kept. What surprises: the matrix sums
to all customers in scope, for whoever was not known yet on a date stands in a stage of their own.
"""
