"""WeCom calls us: verify, keep, answer; the work comes later.

``/wecom/callback/`` writes one inbox row per distinct message and answers 200 after the commit.
Workers take rows by lease, ask WeCom for the state of whatever the callback names, and apply that:
a callback is a hint, so duplicates and any order end in the same state. What surprises: temporary
failures of WeCom do not count towards the five tries after which a row is parked.
"""
