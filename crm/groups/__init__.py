"""Customer groups (客户群) and who is in them, now and before.

A membership row is one stay: leaving and joining again makes a second row. Groups that WeCom
dismissed stay as rows: their members' history names them.
"""
