"""Datasets (数据集): event files from anywhere, kept apart from the company's own facts.

Somebody's log of sessions, a shop's export, a textbook's example: the same questions are asked of
it by the same code, but no customer is opened, no kind declared, no figure of a page touched.
What surprises: units, event names and properties are taken exactly as the file spells them.
"""
