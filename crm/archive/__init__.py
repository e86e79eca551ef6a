"""The chat archive (会话存档): what customers who agreed and agents said to each other.

The platform keeps messages for five days and hands them out once in the order of a sequence number;
rows and the place in that sequence commit together. What surprises: a message that cannot be opened
yet (a key version that we lack) is kept sealed and opened later, so it never holds up the others;
and ``objects`` of a message has no ``for_user``: whoever reads says why, and the audit entry is
written first.
"""
