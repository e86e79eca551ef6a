"""Bring the database up to date and print the demo's logins.

Two commands in one process, because starting Django costs more than either.
"""

import io
import json
import os

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command

from config import embedded, schema

UNCHANGED = "as shown at the first start"


def logins() -> str:
    """One line per role, for the person at the terminal."""
    answer = io.StringIO()
    call_command("demo_users", "--json", stdout=answer)
    password = json.loads(answer.getvalue())["password"] or UNCHANGED
    lines = ["login      password"]
    roles = get_user_model()._meta.get_field("role").choices
    lines += [f"{role:10} {password}   {label}" for role, label in roles if role != "service"]
    if password == UNCHANGED:
        lines.append("CHANGKE_DEMO_PASSWORD=… make demo sets a new one.")
    elif not os.environ.get("CHANGKE_DEMO_PASSWORD"):
        lines.append("It is shown only now; CHANGKE_DEMO_PASSWORD=… make demo sets another.")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    schema.bring_up_to_date(embedded.state_folder())
    print(logins())
