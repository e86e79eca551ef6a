"""Rows in: what a customer, order, event or route row means, whoever brings it (file or API).

Each value is read by one parser, all rows go by COPY into a temporary table, and set-based SQL
checks and merges them in the caller's transaction. What surprises: nothing is written as long as a
single row is bad, empty cells never erase what is known, and the same rows again change nothing.
"""
