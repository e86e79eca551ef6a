"""The full sync: everything that WeCom lists, read page by page and compared with what we have.

Callbacks are fast but may be lost; the sync repairs what they missed. Pages land in a staging
generation, and only when the last page of an object arrived are they applied and missing rows
ended, so a failed page never deletes anybody. What surprises: a sync that was killed goes on at the
page where it was.
"""
