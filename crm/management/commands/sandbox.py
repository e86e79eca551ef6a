"""The WeCom sandbox: started by its folder, so that it loads apart from the product."""

import runpy
import sys

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Serve a local WeCom with simulated people (see docs/sandbox.md)."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """The arguments are the sandbox's own; Django's are not looked for."""
        self.handle(*argv[2:])

    def handle(self, *arguments: str, **options) -> None:
        sys.argv = ["sandbox", *arguments]
        runpy.run_path(str(settings.BASE_DIR / "crm/wecom/sandbox"), run_name="__main__")
