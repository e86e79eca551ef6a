"""Acquisition (获客): what happens in the first seconds of a friendship.

``Welcome`` rules say which words greet whom; every welcome code that WeCom hands out has one
``WelcomeSent`` row with its outcome. What surprises: a welcome does not wait for anything. It is
queued as urgent from the callback alone, before WeCom has been asked who the customer is, because
its code lives for 20 seconds. Repeating an unclear call is harmless here: a code works once.
"""
