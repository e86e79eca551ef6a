"""Events as columns (事件列): facts laid out for questions that read millions of them.

A snapshot is an immutable folder of plain array files sorted by (customer, time); any number of
processes map it. It is a copy that can be rebuilt, never a record: facts newer than the snapshot
are read from PostgreSQL with every question, so answers do not wait for a refresh. What surprises:
a time is four bytes of seconds, and microseconds exist only for the events that have some.
"""
