"""Table of contents for Django: one line per package that has tables."""
