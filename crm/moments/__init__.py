"""Moments (朋友圈): planned posts, approved by a second person, created at WeCom at their time.

What surprises: nothing here publishes. WeCom hands every chosen agent a task, and the agent presses
the button; no callback tells of it. So a moment is created once (through the outbox), and then
followed by asking: who published, who can see it, who liked or commented.
"""
