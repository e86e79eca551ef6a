"""How the product is put together and run: settings, URLs, the Celery app and its timetable, the
embedded servers and the supervisor of the demo.

What surprises: importing this package makes the Celery app, so that tasks find it everywhere.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
