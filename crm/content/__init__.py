"""Content (素材与话术): texts, links and scripts that are written once and used many times.

Scripts have three tiers: personal (its author's), company, and gold, which another person grants
and whose author stays named. What surprises: an edit is a new version, and what was used stays as
it was; a text with variables is for one person at a time, so mass sends refuse it.
"""
