#!/usr/bin/env python
"""Every management command. Without DATABASE_URL it starts or joins the embedded servers."""

import os
import sys

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


def use_embedded_servers(arguments: list[str]) -> None:
    """Put the addresses of the embedded servers into the environment, started where needed."""
    from config import embedded

    asks_for_help = not {"-h", "--help", "--version"}.isdisjoint(arguments)
    try:
        if asks_for_help or (arguments or [""])[0] in NEED_NO_SERVERS:
            values = embedded.environment(embedded.state_folder())
        else:
            values = embedded.join()
    except embedded.EmbeddedFailed as failure:
        sys.exit(f"The embedded servers did not start: {failure}")
    for name, value in values.items():
        os.environ.setdefault(name, value)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if "DATABASE_URL" not in os.environ and os.environ.get("CHANGKE_MODE") != "production":
        use_embedded_servers(sys.argv[1:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
