"""Datasets as a source: their own tables, a snapshot of their own, the same engines.

The snapshot is written by the first question after an import; a dataset changes by imports only, so
there is nothing to merge. Attributes that live facts know by reference (channel, agent) are here
whatever the file's column of that name says.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from psycopg import sql

from analytics.events import facts
from analytics.events.columns import Dictionary, Events, Part, tabulated
from analytics.events.properties import cents_of, meets, text_of
from analytics.events.refresh import database_identity
from analytics.events.snapshots import BUCKET_BITS, Snapshot, Writer, current
from analytics.events.source import NOBODY, ConditionLike, Texts, Value
from crm.datasets.actions import drop_dataset, find_dataset
from crm.datasets.models import Dataset, DatasetKind, DatasetUnit

NAMES = "names.json"
_NEVER = datetime.fromtimestamp(0, UTC)
_DISTINCT = """
select distinct properties ->> %s from crm_datasetfact
where dataset_id = %s and properties ->> %s <> '' order by 1
"""
_SELECT = """
select id, unit_id, at, kind_id, coalesce(agent, 0), coalesce(channel, 0), recorded_at
from (
    select f.*, a.n as agent, c.n as channel
    from crm_datasetfact as f
    left join unnest({agents}::text[]) with ordinality as a (name, n)
        on a.name = f.properties ->> 'agent'
    left join unnest({channels}::text[]) with ordinality as c (name, n)
        on c.name = f.properties ->> 'channel'
    where f.dataset_id = {dataset}
) as facts
order by unit_id, at, id
"""


def root_of(dataset: Dataset) -> Path:
    """Where the snapshots of a dataset lie."""
    return Path(settings.COLUMNS_DIR) / "datasets" / str(dataset.pk)


def snapshot_of(dataset: Dataset) -> Snapshot:
    """The snapshot of all that the dataset holds now, written if an import came after the last."""
    if found := _fresh(dataset):
        return found
    with transaction.atomic():
        # Imports wait, and of several who ask one writes.
        locked = Dataset.objects.select_for_update().get(pk=dataset.pk)
        return _fresh(locked) or _written(locked)


def _fresh(dataset: Dataset) -> Snapshot | None:
    found = current(root_of(dataset))
    if found is None or found.manifest["database"] != _identity(dataset):
        return None
    return found if found.upto == dataset.revision else None


def _identity(dataset: Dataset) -> str:
    return f"{database_identity()}/dataset/{dataset.pk}/{dataset.created_at.isoformat()}"


def _written(dataset: Dataset) -> Snapshot:
    now = timezone.now()
    names = {name: _distinct(dataset, name) for name in facts.DIMENSIONS}
    kinds = Dictionary(np.array(sorted(dataset.kinds.values_list("pk", flat=True)), np.int64), 0)
    values = {name: Dictionary(np.arange(1, len(names[name]) + 1), 1) for name in facts.DIMENSIONS}
    writer = Writer(root_of(dataset), now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f"))
    (writer.building / NAMES).write_text(json.dumps(names))
    for number, events in _bucketed(dataset, names):
        writer.write(number, tabulated(events, kinds, values))
    return writer.publish(
        database=_identity(dataset),
        upto=dataset.revision,
        data_time=dataset.facts.aggregate(last=Max("at"))["last"] or _NEVER,
        built_at=now,
        kinds=kinds,
        dictionaries=values,
    )


def _distinct(dataset: Dataset, name: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_DISTINCT, [name, dataset.pk, name])
        return [value for (value,) in cursor.fetchall()]


def _bucketed(dataset: Dataset, names: dict[str, list[str]]) -> Iterator[tuple[int, Events]]:
    query = sql.SQL(_SELECT).format(
        agents=sql.Literal(names["agent"]),
        channels=sql.Literal(names["channel"]),
        dataset=sql.Literal(dataset.pk),
    )
    waiting: list[Events] = []
    number = -1
    for block in facts.blocks_of(query):
        buckets = block.events.customers >> BUCKET_BITS
        for bucket in np.unique(buckets).tolist():
            if bucket != number and waiting:
                yield number, facts.joined(waiting)
                waiting = []
            number = bucket
            waiting.append(block.events.chosen(buckets == bucket))
    if waiting:
        yield number, facts.joined(waiting)


class DatasetSource:
    """The events of one dataset; every question of one source sees the same snapshot."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @classmethod
    def named(cls, name: str) -> "DatasetSource":
        """The dataset of that name; raises DatasetRefused."""
        return cls(find_dataset(name))

    @cached_property
    def snapshot(self) -> Snapshot:
        return snapshot_of(self.dataset)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        return json.loads((self.snapshot.path / NAMES).read_text())

    @cached_property
    def parts(self) -> list[Part]:
        return [Part(bucket) for bucket in self.snapshot.buckets]

    @property
    def data_time(self) -> datetime:
        """The last event's time: whether a window is over is a matter of the file, not of today."""
        return self.snapshot.data_time

    @property
    def span(self) -> tuple[int, int]:
        return self.snapshot.span

    def kind_ids(self, codes: Iterable[str]) -> dict[str, int]:
        found = DatasetKind.objects.filter(dataset=self.dataset, code__in=list(codes))
        return dict(found.values_list("code", "pk"))

    def all_kinds(self) -> dict[str, int]:
        return dict(self.dataset.kinds.values_list("code", "pk"))

    def own_ids(self, attribute: str, part: int) -> np.ndarray | None:
        return None

    def values(self, attribute: str, ids: Sequence[int]) -> dict[int, Value]:
        names = self._names.get(attribute, [])
        return {i: Value(names[i - 1], names[i - 1]) for i in ids}

    def teams(self, agent_ids: Sequence[int]) -> dict[int, int]:
        return {}

    def texts(self, name: str, part: int) -> Texts:
        all_kinds = sql.SQL("dataset_id = {}").format(sql.Literal(self.dataset.pk))
        return Texts(*facts.texts(self._told(text_of(name, own={}), part, all_kinds)))

    def cents(self, kind: int, name: str, part: int) -> np.ndarray:
        query = self._told(cents_of(name, own={}), part, _of_kind(kind))
        return facts.numbers(query, "value")["value"]

    def matching(self, kind: int, tests: Sequence[ConditionLike], part: int) -> np.ndarray:
        met = sql.SQL("({})::int::bigint").format(meets(tests, own={}))
        query = self._told(met, part, _of_kind(kind))
        return facts.numbers(query, "value")["value"].astype(bool)

    def _told(self, expression: sql.Composable, part: int, where: sql.Composable) -> sql.Composable:
        """An expression over the events of a part, in its order."""
        columns = self.parts[part].columns
        first, last = columns.ids_at(np.array([0, columns.customers - 1])).tolist()
        return sql.SQL(
            "select {expression} from crm_datasetfact where {where}"
            " and unit_id between {first} and {last} order by unit_id, at, id"
        ).format(
            expression=expression,
            where=where,
            first=sql.Literal(first),
            last=sql.Literal(last),
        )

    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        return NOBODY, NOBODY

    def given_back(self, kind: int, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A file does not say which order an event takes back."""
        return NOBODY, NOBODY, NOBODY

    def keys(self, ids: Iterable[int]) -> dict[int, str]:
        """The file's own keys of units."""
        wanted = set(ids)
        rows = DatasetUnit.objects.filter(dataset=self.dataset).values_list("pk", "key")
        return {pk: key for pk, key in rows.iterator(10_000) if pk in wanted}


def _of_kind(kind: int) -> sql.Composable:
    return sql.SQL("kind_id = {}").format(sql.Literal(kind))


def forget(name: str) -> int:
    """Drop a dataset, its column files too; returns how many events it held."""
    dataset = find_dataset(name)
    events = drop_dataset(name=name)
    shutil.rmtree(root_of(dataset), ignore_errors=True)
    return events
