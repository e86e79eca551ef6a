"""The engine past one machine (ClickHouse): the same questions as SQL on a cluster.

Facts are copied there and kept loaded by `manage.py clickhouse load`; every customer's facts lie on
one shard. `windowFunnel` is not used: it lets one event fill two steps and mistreats strict
increase. Arrays of each customer's events are folded instead, so that the answer is that of the
definition. What one statement cannot say is read in slices of whole units and folded here, by the
kernels that columns have; nothing that a question may ask is refused. What surprises: the tests run
the very same statements on chDB, which is ClickHouse in a wheel and takes one process per folder.
"""
