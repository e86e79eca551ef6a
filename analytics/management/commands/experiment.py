"""Judge an experiment from a file, with the same code as the experiments' page."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext, override

from analytics.experiments.analysis import Plan, analyse
from analytics.experiments.reading import Columns, ExperimentRefused, read_trial, split_of
from analytics.experiments.report import as_json
from analytics.experiments.sequential import MAX_LOOKS
from crm.shared.errors import DomainError


class Command(BaseCommand):
    requires_system_checks = ()  # They load every page; installing runs them.
    help = (
        "Judge a randomised experiment from a file of units: sample ratio, difference and lift "
        "with 95 % intervals, CUPED where covariates are given. Example: experiment --file f.csv "
        "--unit customer_id --treat arm --outcome ordered --outcome paid --covariate paid_before"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--file", required=True, help="CSV or XLSX, one row per unit (rows of a unit add up)")
        add("--unit", required=True, help="column that names the unit drawn")
        add("--treat", required=True, help="column that names its arm")
        add("--outcome", required=True, action="append", help="column to judge; first is primary")
        add("--covariate", action="append", default=[], help="column measured before the draw")
        add("--control", help="value of --treat that means control, where no usual word says it")
        add("--split", nargs="+", default=[], metavar="ARM=WEIGHT", help="the intended split")
        add("--cluster", default="", help="column of the group drawn as a whole: agent, city")
        add("--tau", type=float, help="expected difference: adds an always valid interval")
        add("--looks", type=int, help="planned looks of a group sequential design")
        add("--look", type=int, help="which of the planned looks this is")
        add("--boundary", default="obrien-fleming", choices=["obrien-fleming", "pocock"])
        add("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with override("en"):
            try:
                answer = _answer(options)
            except DomainError as refusal:
                raise CommandError(f"{refusal.field or 'file'}: {refusal}") from refusal
        if options["json"]:
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            self.stdout.write(_as_text(answer))


def _answer(options: dict[str, Any]) -> dict[str, Any]:
    path = Path(options["file"])
    if not path.is_file():
        raise ExperimentRefused(
            gettext("找不到文件「%(path)s」") % {"path": options["file"]}, field="file"
        )
    columns = Columns(
        options["unit"],
        options["treat"],
        tuple(dict.fromkeys(options["outcome"])),
        tuple(dict.fromkeys(options["covariate"])),
        options["cluster"],
    )
    _check_plan(options)
    reading = read_trial(path, columns, control=options["control"])
    plan = Plan(
        split_of(options["split"], reading.trial.arms),
        options["tau"],
        options["looks"],
        options["look"],
        options["boundary"],
    )
    report = as_json(analyse(reading.trial, plan))
    return {"rows": reading.rows, "contaminated": reading.contaminated} | report


def _check_plan(options: dict[str, Any]) -> None:
    looks, look, tau = options["looks"], options["look"], options["tau"]
    if (looks is None) != (look is None):
        raise ExperimentRefused(gettext("--looks 和 --look 要一起写"), field="look")
    if looks is not None and not 1 <= look <= looks <= MAX_LOOKS:
        raise ExperimentRefused(
            gettext("第几次查看须在 1 到计划次数之间，计划最多 %(max)s 次") % {"max": MAX_LOOKS},
            field="look",
        )
    if tau is not None and not 0 < tau < float("inf"):
        raise ExperimentRefused(gettext("预期差异 --tau 须大于 0"), field="tau")


def _as_text(answer: dict[str, Any]) -> str:
    lines = [f"{arm}: {size:,} units" for arm, size in answer["arms"].items()]
    if answer["srm"]:
        srm = answer["srm"]
        note = " ALARM: the arms do not fit the split, no result" if srm["alarm"] else ""
        lines.append(f"sample ratio p = {srm['p_value']:.4g}{note}")
    if answer["status"] == "unproven":
        lines.append("unproven: there is no control to compare with")
    for result in answer["results"]:
        best = result["cuped"] or result
        d, lift = best["difference"], best["lift"]
        low, high = (("?" if d[k] is None else f"{d[k]:+.4g}") for k in ("low", "high"))
        words = f"{result['outcome']} ({result['arm']}): {d['value']:+.4g} [{low}, {high}]"
        if lift:
            words += f", lift {lift['value']:+.1%}"
        lines.append(f"{words} -> {result['verdict']}")
    return "\n".join(lines)
