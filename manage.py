#!/usr/bin/env python
"""Every management command. Without DATABASE_URL it starts or joins the embedded servers."""

import os
import sys
from pathlib import Path

NEED_NO_SERVERS = {
    "",
    "bench",
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "messages",
    "sandbox",
    "spectacular",
    "version",
}

MIND_THE_SCHEMA = {"dbshell", "makemigrations", "migrate", "showmigrations", "sqlmigrate"}


def use_embedded_servers(arguments: list[str]) -> None:
    """Put the addresses of the embedded servers into the environment, started where needed."""
    from config import embedded

    command = (arguments or [""])[0]
    alone = command in NEED_NO_SERVERS or {"-h", "--help", "--version"} & set(arguments)
    state = embedded.state_folder()
    try:
        values = embedded.environment(state) if alone else embedded.join(state)
    except embedded.EmbeddedFailed as failure:
        sys.exit(f"The embedded servers did not start: {failure}")
    for name, value in values.items():
        os.environ.setdefault(name, value)
    if not alone and command not in MIND_THE_SCHEMA:
        set_up_new_database(state, values["DATABASE_URL"])


def set_up_new_database(state: Path, address: str) -> None:
    """A database made just now has no tables, and no command works without."""
    from config import schema

    if schema.is_new(address):
        import django

        print("Setting up a new database.", file=sys.stderr)
        django.setup()
        schema.bring_up_to_date(state)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if "DATABASE_URL" not in os.environ and os.environ.get("CHANGKE_MODE") != "production":
        use_embedded_servers(sys.argv[1:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
