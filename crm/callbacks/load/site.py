"""The product as in production, and the empty view beside it."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.ROOT_URLCONF = "crm.callbacks.load.urls"
application = get_wsgi_application()
