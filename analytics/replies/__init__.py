"""Reply times (回复时长): how long customers waited for an answer, and which wait still.

A turn is a run of one customer's messages to one agent; it waits from its first message to the
agent's next one, at most seven days. What surprises: a turn without an answer is not left out but
counts as a wait of at least so long (Kaplan-Meier), so a median may not exist yet; and each wait is
told twice, by the calendar and by the working time of that agent's roster.
"""
