"""A WeCom that fits on a laptop: the server API, its callbacks and the people behind them.

A process of its own with a store of its own. It speaks HTTP like the platform does (envelopes,
cursors, caps, encrypted callbacks, misspellings included), and its people act in their own time:
they add, chat, join, leave, publish late or never. Nothing of the product is imported here, and
the product never imports this package; they meet on the wire only. The one surprise: handlers run
inside one store transaction, so an effect and its ledger row are written together or not at all.
"""
