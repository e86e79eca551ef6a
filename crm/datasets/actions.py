"""Taking a file into a dataset, all rows or none; forgetting a dataset."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from crm.datasets import merging
from crm.datasets.models import Dataset
from crm.datasets.rows import DATASET, DatasetParser
from crm.imports import mappings
from crm.imports.files import watched
from crm.imports.readers import Table, open_table
from crm.ingest.actions import Silent
from crm.ingest.problems import Problems
from crm.ingest.staging import run, stage
from crm.jobs.models import Job
from crm.shared.errors import DomainError

_NAME = re.compile(r"[\w.-]{1,64}")
_SORT_IN_MEMORY = "set local work_mem = '128MB'"


class DatasetRefused(DomainError):
    """There is no such dataset, or there cannot be one of that name."""

    code = "dataset_refused"


@dataclass
class DatasetOutcome:
    """What became of a file: rows read, events new and already known, problems."""

    dataset: str
    rows: int = 0
    new: int = 0
    same: int = 0
    units: int = 0
    events: tuple[str, ...] = ()
    encoding: str = ""
    problems: Problems = field(default_factory=Problems)
    applied: bool = False

    def as_json(self) -> dict[str, Any]:
        """The summary that the command prints and the job row keeps."""
        return {
            "dataset": self.dataset,
            "rows": self.rows,
            "new": self.new,
            "same": self.same,
            "units": self.units,
            "events": list(self.events),
            "encoding": self.encoding,
            "problems": self.problems.count,
            "applied": self.applied,
        }


def take_into_dataset(
    path: Path,
    name: str,
    *,
    now: datetime,
    mapping: Callable[[Table], Mapping[str, str]] | None = None,
    dry_run: bool = False,
    progress: Any = None,
) -> DatasetOutcome:
    """Read a file of events and add those that the dataset does not hold yet.

    `units` and `events` of the outcome are those of the file. Raises FileRefused for what is no
    table and DatasetRefused for an impossible name; bad rows are in the outcome.
    """
    if not _NAME.fullmatch(name):
        raise DatasetRefused(
            _("数据集名称须是 1 到 64 个字母、数字、下划线、点或连字符"), field="dataset"
        )
    progress, outcome = progress or Silent(), DatasetOutcome(name)
    with open_table(path, DATASET) as table, transaction.atomic():
        chosen = mapping(table) if mapping else DATASET.guess(table.headers)
        layout = mappings.layout(DATASET, table.headers, chosen)
        outcome.encoding = table.encoding
        parser = DatasetParser(DATASET, layout, outcome.problems)
        progress.enter(Job.Phase.READING)
        run(_SORT_IN_MEMORY)
        stage(DATASET, parser.columns, parser.parse(watched(table, progress)))
        outcome.rows = parser.rows
        progress.enter(Job.Phase.CHECKING)
        dataset = _locked(name, now)
        merging.check(dataset, outcome)
        progress.check()
        if outcome.problems or dry_run:
            transaction.set_rollback(True)
            return outcome
        progress.enter(Job.Phase.WRITING)
        merging.write(dataset, now)
        if outcome.new:
            dataset.revision, dataset.changed_at = dataset.revision + 1, now
            dataset.save(update_fields=["revision", "changed_at"])
        outcome.applied = True
    return outcome


def _locked(name: str, now: datetime) -> Dataset:
    """The dataset, made if there is none; whoever adds to it meanwhile waits."""
    Dataset.objects.get_or_create(name=name, defaults={"created_at": now, "changed_at": now})
    return Dataset.objects.select_for_update().get(name=name)


def find_dataset(name: str) -> Dataset:
    """The dataset of that name; raises DatasetRefused, which names those that there are."""
    if found := Dataset.objects.filter(name=name).first():
        return found
    known = list(Dataset.objects.values_list("name", flat=True)[:20])
    raise DatasetRefused(
        _("没有数据集「%(name)s」；现有：%(known)s。请先用 import events 文件 --dataset 名称 导入")
        % {"name": name[:64], "known": "、".join(known) or _("无")},
        field="dataset",
    )


@transaction.atomic
def drop_dataset(*, name: str) -> int:
    """Forget a dataset with all that it holds; returns how many events that were."""
    dataset = Dataset.objects.select_for_update().get(pk=find_dataset(name).pk)
    events = run("delete from crm_datasetfact where dataset_id = %(pk)s", {"pk": dataset.pk})
    run("delete from crm_datasetunit where dataset_id = %(pk)s", {"pk": dataset.pk})
    run("delete from crm_datasetkind where dataset_id = %(pk)s", {"pk": dataset.pk})
    run("delete from crm_dataset where id = %(pk)s", {"pk": dataset.pk})
    return events
