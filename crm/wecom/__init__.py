"""WeCom (企业微信): the client that every outward call passes, its tokens and its crypto.

``sandbox/`` beside it is a process of its own that speaks the same protocol; nothing of the product
imports it.
"""
