"""Taking a whole file in, and the report of its rows."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.imports import mappings
from crm.imports.readers import Table, open_table
from crm.ingest.actions import Outcome, Silent, ingest
from crm.ingest.kinds import RowKind
from crm.ingest.own_fields import row_kind
from crm.ingest.problems import Problems
from crm.shared import faults
from crm.shared.sheets import csv_lines

REPORTED_EVERY = 2_000


@dataclass(frozen=True)
class FileOutcome:
    """What became of a file: the outcome of its rows and the columns left aside."""

    outcome: Outcome
    ignored: list[str]
    encoding: str

    def as_json(self) -> dict[str, Any]:
        """The summary that pages, the command and the job row keep."""
        counts, problems = self.outcome.counts, self.outcome.problems
        return {
            "rows": self.outcome.rows,
            "new": counts.new,
            "changed": counts.changed,
            "same": counts.same,
            "people": counts.people,
            "facts": counts.facts,
            "unknown_agents": counts.unknown_agents,
            "unknown_groups": counts.unknown_groups,
            "new_events": list(self.outcome.new_names),
            "ignored_columns": self.ignored,
            "encoding": self.encoding,
            "problems": problems.count,
            "applied": self.outcome.applied,
        }


def take_in(
    path: Path,
    kind_name: str,
    *,
    now: datetime,
    mapping: Callable[[Table], Mapping[str, str]] | Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Any = None,
    by: User | None = None,
) -> FileOutcome:
    """Read a file and take its rows in, all or none.

    Raises FileRefused when the file as a whole cannot be read; bad rows are in the outcome.
    """
    kind, progress = row_kind(kind_name), progress or Silent()
    with open_table(path, kind) as table:
        chosen = mapping(table) if callable(mapping) else mapping
        if chosen is None:
            chosen = kind.guess(table.headers)
        layout = mappings.layout(kind, table.headers, chosen)
        rows = watched(table, progress)
        outcome = ingest(kind, layout, rows, now=now, dry_run=dry_run, progress=progress, by=by)
        return FileOutcome(outcome, mappings.ignored(kind, table.headers, chosen), table.encoding)


def watched(table: Table, progress: Any) -> Iterator[tuple[int, Any]]:
    """The rows, telling now and then how far they are and asking whether to stop."""
    measured = getattr(progress, "measured", None)
    for count, row in enumerate(table.rows):
        if count % REPORTED_EVERY == 0:
            faults.point("imports.reading")
            progress.check()
            if measured:
                measured(table.position(), table.size)
        yield row


def write_report(problems: Problems, path: Path, kind: RowKind) -> None:
    """The row report: one line per problem, then how many more there are."""
    header = [_("行号"), _("字段"), _("内容"), _("问题"), _("处理办法")]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = ((p.line, label_of(kind, p.field), p.value, p.problem, p.remedy) for p in problems)
        file.writelines(csv_lines(header, rows))
        if more := problems.count - len(problems.kept):
            note = _("另有 %(n)s 处问题未列出") % {"n": f"{more:,}"}
            csv.writer(file).writerow(["", "", "", note, ""])


def label_of(kind: RowKind, name: str) -> str:
    """A field as people know it, with the name that files and the API use."""
    field = kind.field(name)
    return f"{field.label} ({name})" if field else name
