"""Table of contents for Celery: one import per domain that has tasks."""
