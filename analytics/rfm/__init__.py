"""Value layers by RFM (客户价值分层): how recently, often and much one paid; by life stage.

Every customer stands in exactly one cell: one of eight layers, or none where nothing was paid in
the window. What surprises: layers are cut for the whole company, at its mean or at a dated rule, so
that a customer's layer does not depend on who looks; only the counting obeys scope. Equal values
share a score.
"""
