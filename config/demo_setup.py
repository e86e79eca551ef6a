"""Bring the database up to date and print the demo's logins.

Two commands in one process, because starting Django costs more than either.
"""

import io
import json
import os

import django
from django.core.management import call_command

from config import embedded, schema
from crm.agents.access import Role

UNCHANGED = "as shown at the first start"


def logins() -> str:
    """One line per role, for the person at the terminal."""
    answer = io.StringIO()
    call_command("demo_users", "--json", stdout=answer)
    password = json.loads(answer.getvalue())["password"] or UNCHANGED
    lines = ["login      password"]
    people = [role for role in Role if role != Role.SERVICE]
    lines += [f"{role.value:10} {password}   {role.label}" for role in people]
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
