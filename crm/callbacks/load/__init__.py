"""Load on the callback address: messages ready-made, a process that posts them, a server."""
