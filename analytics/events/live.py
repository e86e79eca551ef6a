"""The facts of the product as a source: the snapshot and, on top, what was recorded since.

Customers with newer facts are taken out of the snapshot and folded again from all their events, so
an answer never depends on when the last refresh was. Whose customers are counted is decided here:
whoever is outside the viewer's scope is left out before anything is folded.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b

import numpy as np
from django.utils.translation import gettext as _
from psycopg import sql

from analytics.events import facts
from analytics.events.columns import Columns, Events, Part, from_arrays
from analytics.events.properties import cents_of, meets, text_of
from analytics.events.refresh import usable_snapshot
from analytics.events.snapshots import Snapshot
from analytics.events.source import ConditionLike, Texts, Value
from crm.agents.models import Agent, Department, User
from crm.customers.models import Channel, Customer
from crm.shared.errors import DomainError
from crm.timeline.models import FactKind
from crm.timeline.queries import KIND_IDS

# Stages have no table; their place in this list is their id.
STAGES = ("", *Customer.Stage.values)
_STAGES = sql.Literal(list(STAGES))
# The customer's own value as a number, and which customers have one.
_OWN_VALUE = {
    "channel": (sql.SQL("channel_id"), sql.SQL("channel_id is not null")),
    "stage": (
        sql.SQL("array_position({}::text[], stage::text) - 1").format(_STAGES),
        sql.SQL("stage = any({}::text[])").format(_STAGES),
    ),
}
_EVERYTHING = sql.SQL("true")
_NEVER = datetime.fromtimestamp(0, UTC)


class SnapshotOutOfStep(DomainError):
    """Facts of the snapshot are no longer in PostgreSQL; it must be rebuilt."""

    code = "snapshot_out_of_step"


class LiveSource:
    """Facts as they are now, for one viewer; `allowed` None means every customer.

    Everything is read when first asked for and then kept, so one source gives answers that agree
    with each other. Make a new one for every request.
    """

    def __init__(self, *, allowed: np.ndarray | None = None) -> None:
        self.allowed = allowed

    @classmethod
    def for_user(cls, user: User) -> "LiveSource":
        """The facts of the customers that the user may see."""
        customers = Customer.objects.for_user(user)
        if not customers.query.where:
            return cls()
        ids = np.fromiter(customers.values_list("pk", flat=True).iterator(), np.int64)
        return cls(allowed=np.sort(ids))

    @property
    def scope(self) -> str:
        """A name for whom the viewer may see: the same name, the same customers."""
        if self.allowed is None:
            return "all"
        return blake2b(self.allowed.tobytes(), digest_size=16).hexdigest()

    @cached_property
    def snapshot(self) -> Snapshot | None:
        return usable_snapshot()

    @cached_property
    def _newer(self) -> facts.Block | None:
        return facts.facts_after(self.snapshot.upto if self.snapshot else 0)

    @cached_property
    def _tail(self) -> Columns | None:
        """All events of the customers that have newer facts."""
        if self._newer is None:
            return None
        newer = self._newer.events
        customers = np.unique(newer.customers)
        known = [bucket.events_of(bucket.rows_of(customers)) for bucket in self._buckets]
        events: Events = facts.joined([*known, newer])
        return from_arrays(events.customers, events.at_micros, events.kinds, **events.dimensions)

    @property
    def _buckets(self) -> tuple[Columns, ...]:
        return self.snapshot.buckets if self.snapshot else ()

    @cached_property
    def parts(self) -> list[Part]:
        """The buckets of the snapshot and, last, the customers with newer facts."""
        newer = np.empty(0, np.int64)
        if self._newer is not None:
            newer = np.unique(self._newer.events.customers)
        parts = [Part(bucket, self._left_out(bucket, newer)) for bucket in self._buckets]
        if self._tail is not None:
            parts.append(Part(self._tail, self._left_out(self._tail, newer[:0])))
        return parts

    def _left_out(self, columns: Columns, replaced: np.ndarray) -> np.ndarray | None:
        if self.allowed is None and not len(replaced):
            return None
        skip = np.zeros(columns.customers, bool)
        if self.allowed is not None:
            skip[:] = True
            skip[columns.rows_of(self.allowed)] = False
        skip[columns.rows_of(replaced)] = True
        return skip

    @cached_property
    def data_time(self) -> datetime:
        """When the newest fact was recorded."""
        known = self.snapshot.data_time if self.snapshot else _NEVER
        return max(known, self._newer.recorded_at) if self._newer else known

    @cached_property
    def span(self) -> tuple[int, int]:
        spans = [self.snapshot.span] if self.snapshot and self.snapshot.events else []
        if self._newer is not None:
            at = self._newer.events.at_micros
            spans.append((int(at.min()) // 1_000_000, int(at.max()) // 1_000_000))
        if not spans:
            return 0, 0
        return min(span[0] for span in spans), max(span[1] for span in spans)

    def kind_ids(self, codes: Iterable[str]) -> dict[str, int]:
        return dict(FactKind.objects.filter(code__in=codes).values_list("code", "id"))

    def all_kinds(self) -> dict[str, int]:
        return dict(FactKind.objects.values_list("code", "id"))

    def own_ids(self, attribute: str, part: int) -> np.ndarray | None:
        """Channel and stage stand on the customer's record."""
        if attribute not in _OWN_VALUE:
            return None
        value, present = _OWN_VALUE[attribute]
        query = sql.SQL(
            "select id, ({value})::bigint from crm_customer where {present} and {customers}"
        ).format(value=value, present=present, customers=self._customers_of(part, "id"))
        rows = facts.numbers(query, "id", "value")
        columns = self.parts[part].columns
        return columns.spread(rows["id"], rows["value"])

    def values(self, attribute: str, ids: Sequence[int]) -> dict[int, Value]:
        if attribute == "stage":
            return {i: Value(STAGES[i], str(Customer.Stage(STAGES[i]).label)) for i in ids}
        if attribute == "channel":
            rows = Channel.objects.filter(pk__in=ids).values_list("pk", "code", "name")
        elif attribute == "agent":
            rows = Agent.unsafe_all.filter(pk__in=ids).values_list("pk", "userid", "name")
        else:
            rows = Department.objects.filter(pk__in=ids).values_list("pk", "wecom_id", "name")
        found = {pk: Value(str(key), name) for pk, key, name in rows}
        return {i: found.get(i, Value(f"#{i}", f"#{i}")) for i in ids}

    def teams(self, agent_ids: Sequence[int]) -> dict[int, int]:
        agents = Agent.unsafe_all.filter(pk__in=agent_ids, department__isnull=False)
        return dict(agents.values_list("pk", "department_id"))

    def without_events(self) -> tuple[np.ndarray, np.ndarray]:
        """Customers of whom no fact is told, and since when their records are known (0: unsaid)."""
        found = facts.numbers(
            sql.SQL(
                "select id, coalesce(floor(extract(epoch from known_since))::bigint, 0) as since"
                " from crm_customer where last_fact_at is null order by id"
            ),
            "id",
            "since",
        )
        ids, since = found["id"], found["since"]
        kept = np.ones(len(ids), bool) if self.allowed is None else np.isin(ids, self.allowed)
        for part in self.parts:
            # Derived facts alone leave `last_fact_at` empty, and a record may wait to be refreshed.
            rows = part.columns.rows_of(ids)
            offsets = part.columns.offsets
            told = rows[offsets[rows + 1] > offsets[rows]]
            kept &= ~np.isin(ids, part.columns.ids_at(told))
        return ids[kept], since[kept]

    def given_back(self, kind: int, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Orders of one kind of event that were refunded, by customer."""
        return given_back(kind, self._customers_of(part, "back", "customer_id"))

    def keys(self, ids: Iterable[int]) -> dict[int, str]:
        """Customer numbers, or what else a customer is known by outside."""
        wanted = set(ids)
        rows = Customer.unsafe_all.values_list("pk", "customer_no", "external_userid")
        return {
            pk: number or external or str(pk)
            for pk, number, external in rows.iterator(10_000)
            if pk in wanted
        }

    def texts(self, name: str, part: int) -> Texts:
        codes, values = facts.texts(self._told(text_of(name), part))
        self._check(len(codes), self.parts[part].columns.events)
        return Texts(codes, values)

    def cents(self, kind: int, name: str, part: int) -> np.ndarray:
        of_kind = sql.SQL("kind_id = {}").format(sql.Literal(kind))
        found = facts.numbers(self._told(cents_of(name), part, of_kind), "value")["value"]
        self._check(len(found), self._count_of(kind, part))
        return found

    def _told(
        self, expression: sql.Composable, part: int, where: sql.Composable = _EVERYTHING
    ) -> sql.Composable:
        """An expression over the facts of a part, in its order."""
        return sql.SQL(
            "select {expression} from crm_fact where {where} and {seen} and {customers}"
            " and {in_range} order by customer_id, at, id"
        ).format(
            expression=expression,
            where=where,
            seen=self._seen_facts(part),
            customers=self._customers_of(part, "customer_id"),
            in_range=sql.SQL(facts.IN_RANGE),
        )

    def _count_of(self, kind: int, part: int) -> int:
        columns = self.parts[part].columns
        codes = np.flatnonzero(columns.kind_ids == kind)
        return int(np.isin(columns.kinds, codes).sum())

    def _check(self, found: int, expected: int) -> None:
        if found != expected:
            raise SnapshotOutOfStep(_("统计所用的列文件与事实不符，正在重建，请几分钟后再试"))

    def matching(self, kind: int, tests: Sequence[ConditionLike], part: int) -> np.ndarray:
        met = sql.SQL("({})::int::bigint").format(meets(tests))
        of_kind = sql.SQL("kind_id = {}").format(sql.Literal(kind))
        found = facts.numbers(self._told(met, part, of_kind), "value")["value"]
        self._check(len(found), self._count_of(kind, part))
        return found.astype(bool)

    def _is_tail(self, part: int) -> bool:
        return self._newer is not None and part == len(self.parts) - 1

    def _seen_facts(self, part: int) -> sql.Composable:
        """Facts that this source has read: later ones may have been committed meanwhile."""
        settled = sql.SQL("id <= {}").format(
            sql.Literal(self.snapshot.upto if self.snapshot else 0)
        )
        if not self._is_tail(part):
            return settled
        newer = sql.Literal(self._newer.ids.tolist())
        return sql.SQL("({} or id = any({}::bigint[]))").format(settled, newer)

    def _customers_of(self, part: int, *column: str) -> sql.Composable:
        """A condition on the customers of one part; the column may follow its table."""
        columns = self.parts[part].columns
        if self._is_tail(part):
            ids = columns.ids_at(np.arange(columns.customers))
            chosen = sql.SQL("{} = any({}::bigint[])")
            return chosen.format(sql.Identifier(*column), sql.Literal(ids.tolist()))
        first, last = columns.ids_at(np.array([0, columns.customers - 1])).tolist()
        return sql.SQL("{column} between {first} and {last}").format(
            column=sql.Identifier(*column), first=sql.Literal(first), last=sql.Literal(last)
        )


def given_back(kind: int, customers: sql.Composable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Refunded orders of some customers: (customer, second of the event of this kind, when).

    `customers` is a condition on `back.customer_id`.
    """
    query = sql.SQL(
        "select paid.customer_id, floor(extract(epoch from paid.at))::bigint as at,"
        " floor(extract(epoch from min(back.at)))::bigint as back"
        " from crm_fact as back join crm_fact as paid on paid.customer_id = back.customer_id"
        " and paid.order_id = back.order_id and paid.kind_id = {kind}"
        # Named by its number: how rare refunds are decides how they are looked for.
        " where back.kind_id = {refunded} and {customers}"
        " group by paid.id, paid.customer_id, paid.at order by paid.id"
    ).format(kind=kind, refunded=KIND_IDS["order_refunded"], customers=customers)
    found = facts.numbers(query, "customer", "at", "back")
    return tuple(found[name] for name in ("customer", "at", "back"))
