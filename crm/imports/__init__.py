"""Files in (导入): upload or command, column mapping, dry run, confirmation, row report.

Reads CSV and xlsx under limits that are checked before parsing; what a row means and how it is
merged is the business of ``crm.ingest``, which the API uses too. What surprises: one bad row
refuses the whole file, and the same file twice changes nothing.
"""
