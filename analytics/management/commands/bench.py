"""Run one benchmark: `bench NAME [options] --json`.

Every package of the product may have modules `bench` or `bench_…` with NAME, HELP,
`add_arguments(parser)` and `run(options) -> dict`. The last line of output is one JSON object:
name, scale, measured, rivals, ratios, goals. Data are made with a fixed seed in a place of their
own.
"""

import json
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

KEYS = ("name", "scale", "measured", "rivals", "ratios", "goals")


def benches() -> dict[str, ModuleType]:
    """Every bench by its name."""
    found = {}
    for app in ("analytics", "crm"):
        for package in pkgutil.iter_modules(import_module(app).__path__):
            if not package.ispkg:
                continue
            spec = find_spec(f"{app}.{package.name}")
            for inside in pkgutil.iter_modules(spec.submodule_search_locations):
                if inside.name == "bench" or inside.name.startswith("bench_"):
                    module = import_module(f"{spec.name}.{inside.name}")
                    found[module.NAME] = module
    return found


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = "Measure one promise of the product against a rival in the same run."

    def add_arguments(self, parser: CommandParser) -> None:
        names = parser.add_subparsers(dest="bench", required=True, metavar="NAME")
        for name, module in sorted(benches().items()):
            options = names.add_parser(name, help=module.HELP, description=module.__doc__)
            options.add_argument("--json", action="store_true", help="only the last line")
            module.add_arguments(options)

    def handle(self, *args: Any, bench: str, **options: Any) -> None:
        result = benches()[bench].run(options)
        body = {key: result.get(key, {}) for key in KEYS} | {"name": bench}
        if not options["json"]:
            for key in KEYS[1:]:
                for name, value in body[key].items():
                    self.stdout.write(f"{key:<10}{name:<36}{value}")
        self.stdout.write(json.dumps(body))
