"""The kill matrix: every named point of ``crm.shared.faults``, killed again and again.

A round lets a real process do real work against the sandbox, kills it with SIGKILL at a point, has
others go on, and compares the sandbox's ledger with the database. What surprises: the processes are
forked from one that has loaded Django already (``nursery``), so that a round takes well under a
second; and time is moved on instead of waited for, on both sides.
"""
