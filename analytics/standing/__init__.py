"""Standing figures (常备数字): what managers open every day, folded when facts arrive.

Triggers on the facts keep a narrow state per customer (place in the standard journey, comings and
goings of the pools) and small cubes of days, in the transaction that writes the facts, whoever
writes them. What surprises: cubes are logs of differences, summed when read and merged now and
then, so that writers never wait for one another's cells; two writers wait only where they tell of
the same customer. A fact that comes late, or is deleted, folds its customer again from all facts.
Facts stay the truth: every night cube, state and a full fold are held against one another.
"""
