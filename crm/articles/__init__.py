"""Article pages (图文页): what customers open without a login, and how it was read.

A page is opened under an address made for one place: a send, Moments, a welcome, a chat. What
surprises: a page shows the version that its address was made for, whatever was written since; and
openings are not people. Only an address that was made for one customer says who, and even then a
friend may have been handed it.
"""
