"""``manage.py issue_token``: a token for another system, printed once."""

import json
from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from crm.agents.access import ROLE_PERMISSIONS, Permission
from crm.agents.actions import issue_token
from crm.agents.models import User

MAX_DAYS = 366


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = "Issue an API token for an account. It is printed once and kept only as a hash."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="user name of the account it acts as")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument(
            "--permission",
            nargs="+",
            required=True,
            choices=[permission.name for permission in Permission],
            metavar="NAME",
            help="what it may do, such as API_INGEST",
        )
        parser.add_argument("--days", type=int, default=90, help="how long it lives (90)")
        parser.add_argument("--json", action="store_true", help="one line of JSON as the answer")

    def handle(self, *args, **options) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"No active account {options['user']!r}.")
        if not 1 <= options["days"] <= MAX_DAYS:
            raise CommandError(f"--days must lie between 1 and {MAX_DAYS}.")
        wanted = [Permission[name] for name in dict.fromkeys(options["permission"])]
        if missing := [p.name for p in wanted if p not in ROLE_PERMISSIONS[user.role]]:
            raise CommandError(f"The role {user.role} has no {', '.join(missing)}.")
        expires_at = timezone.now() + timedelta(days=options["days"])
        token, key = issue_token(
            user=user,
            name=options["name"][:64],
            permissions=wanted,
            expires_at=expires_at,
            by=None,
        )
        if options["json"]:
            answer = {"token": key, "prefix": token.prefix, "expires_at": expires_at.isoformat()}
            self.stdout.write(json.dumps(answer))
            return
        self.stdout.write(f"{key}\n")
        self.stderr.write(f"Valid until {expires_at:%Y-%m-%d}. It is not shown again.")
