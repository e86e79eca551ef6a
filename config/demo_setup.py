"""Bring the database up to date and print the demo's logins.

Two commands in one process, because starting Django costs more than either.
"""

import os

import django
from django.core.management import call_command

from config import embedded, schema

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    schema.bring_up_to_date(embedded.state_folder())
    call_command("demo_users")
