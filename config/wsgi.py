"""What the web server runs. It is ready when nobody has to wait for anything to be loaded."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from analytics.events.compiling import load_what_questions_need

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
get_resolver().url_patterns  # noqa: B018 - reading the addresses imports every page
load_what_questions_need()
