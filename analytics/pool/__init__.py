"""Pool balance (池平衡): who came into the pools and who left, every day, by reason.

A person is in the friend pool while any agent is their friend, in the group pool while they sit in
any group. Opening + in − out = closing, day by day, because all four are counted from the same
moves (``analytics.standing``). What surprises: people and relations are told apart. People are the
net of a day (come and gone on one day changes nothing); relations and memberships are the gross.
"""
