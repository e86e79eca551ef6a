"""Segments (分群): a question anyone can put together, and who answers it now.

A rule is nested all / any / none over attributes, tags, groups, agents, trips, facts, random
buckets and other segments. It is answered in two ways that never differ: as SQL over the customer
rows, which is the meaning, and over roaring bitmaps, a derived index that can be thrown away.

What surprises: days are whole days of the corporation ("at least twice in 14 days" are today and
the 13 days before), and a customer without a value satisfies no comparison, hence does satisfy
"none of" around it. The bitmaps may be a minute old: customers who changed since are rechecked by
SQL with each question, so a tag set now is in the next count. Past instants are answered by SQL
alone, over rows as they were then (``past``); triggers keep what a row said before it changed.
"""
