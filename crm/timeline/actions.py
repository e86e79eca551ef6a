"""Appending facts, and keeping the table of kinds equal to the declared catalogue."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import override
from psycopg import sql

from crm.shared.errors import DomainError
from crm.timeline.catalogue import FIRST_COMPANY_KIND, KINDS
from crm.timeline.models import FactKind

BATCH = 5_000
# From so many on, rows are copied to a table of the connection's own: arrays of them take the
# driver and the parser ten times as long.
MANY = 100

_APPEND = """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, group_id, channel_id,
                      order_id, amount_cents, source, source_key, properties)
select *
from unnest(%s::bigint[], %s::smallint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[],
            %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[],
            %s::jsonb[])
on conflict (source, source_key) do nothing
"""


_COMING = """
create temporary table if not exists crm_fact_coming (
    customer_id bigint, kind_id smallint, at timestamptz, agent_id bigint, group_id bigint,
    channel_id bigint, order_id bigint, amount_cents bigint, source text, source_key text,
    properties jsonb
) on commit delete rows
"""
_COPY = "copy pg_temp.crm_fact_coming from stdin (format binary)"
_TYPES = ("int8", "int2", "timestamptz", *("int8",) * 5, "text", "text", "jsonb")
_APPEND_COPIED = """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, group_id, channel_id,
                      order_id, amount_cents, source, source_key, properties)
select customer_id, kind_id, at, %s, agent_id, group_id, channel_id, order_id, amount_cents,
       source, source_key, properties
from pg_temp.crm_fact_coming
on conflict (source, source_key) do nothing
"""


# The select may be large: everything stays in the database. An undeclared kind violates NOT NULL.
_APPEND_SELECTED = """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, group_id, channel_id,
                      order_id, amount_cents, source, source_key, properties)
select f.customer_id, k.id, f.at, %(recorded_at)s, f.agent_id, f.group_id, f.channel_id,
       f.order_id, f.amount_cents, f.source, f.source_key, f.properties
from ({}) as f
left join crm_factkind as k on k.code = f.kind
on conflict (source, source_key) do nothing
"""


class UnknownKind(DomainError):
    """A fact names a kind that nobody declared."""

    code = "unknown_event"


@dataclass(frozen=True)
class NewFact:
    """A fact to append. ``(source, source_key)`` names it for ever."""

    customer_id: int
    kind: str
    at: datetime
    source: str
    source_key: str
    agent_id: int | None = None
    group_id: int | None = None
    channel_id: int | None = None
    order_id: int | None = None
    amount_cents: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)


def append_facts(facts: Sequence[NewFact], *, now: datetime) -> int:
    """Append facts that are not yet known, in the caller's transaction; returns how many were new.

    Raises UnknownKind before writing anything.
    """
    kinds = kind_ids({fact.kind for fact in facts})
    added = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for start in range(0, len(facts), BATCH):
            batch = facts[start : start + BATCH]
            if len(batch) < MANY:
                cursor.execute(_APPEND, _columns(batch, kinds, now))
            else:
                _copy(cursor, batch, kinds)
                cursor.execute(_APPEND_COPIED, [now])
            added += cursor.rowcount
    return added


def _copy(cursor: Any, batch: Sequence[NewFact], kinds: dict[str, int]) -> None:
    """Bring facts to the connection's own table, in place of what is there."""
    cursor.execute(_COMING)
    cursor.execute("truncate pg_temp.crm_fact_coming")
    with cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for fact in batch:
            copy.write_row(
                (
                    fact.customer_id,
                    kinds[fact.kind],
                    fact.at,
                    fact.agent_id,
                    fact.group_id,
                    fact.channel_id,
                    fact.order_id,
                    fact.amount_cents,
                    fact.source,
                    fact.source_key,
                    fact.properties,
                )
            )


def _columns(batch: Sequence[NewFact], kinds: dict[str, int], now: datetime) -> list[list[Any]]:
    rows = [
        (
            fact.customer_id,
            kinds[fact.kind],
            fact.at,
            now,
            fact.agent_id,
            fact.group_id,
            fact.channel_id,
            fact.order_id,
            fact.amount_cents,
            fact.source,
            fact.source_key,
            json.dumps(fact.properties, ensure_ascii=False),
        )
        for fact in batch
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def append_selected_facts(select: str, params: dict[str, Any], *, now: datetime) -> int:
    """Append the facts that a query yields, for imports of millions; returns how many were new.

    ``select`` is static SQL with the columns customer_id, kind (the code), at, agent_id, group_id,
    channel_id, order_id, amount_cents, source, source_key and properties.
    """
    with connection.cursor() as cursor:
        statement = sql.SQL(_APPEND_SELECTED).format(sql.SQL(select))
        cursor.execute(statement, params | {"recorded_at": now})
        return cursor.rowcount


_MOVE = """
create temporary table moving on commit drop as
    select * from crm_fact where customer_id = %(gone)s;
delete from crm_fact where customer_id = %(gone)s;
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, group_id, channel_id,
                      order_id, amount_cents, source, source_key, properties)
select %(kept)s, kind_id, at, recorded_at, agent_id, group_id, channel_id,
       order_id, amount_cents, source, source_key, properties
from moving
where source <> 'derived'
order by at, id;
drop table moving;
insert into crm_factremoval (customer_id, fact_id, at)
values (%(gone)s, nextval('crm_fact_id_seq'), %(now)s);
"""


def move_facts(*, gone: int, kept: int, now: datetime) -> None:
    """Two customers were one: what happened to ``gone`` happened to ``kept``.

    Facts are not edited: they are written anew under the same names and taken away from where they
    were, in the caller's transaction. Derived ones are left behind, they follow from the others.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, {"gone": gone, "kept": kept, "now": now})


_FORGET = """
with gone as (
    delete from crm_fact where customer_id = %(customer)s returning 1
), told as (
    insert into crm_factremoval (customer_id, fact_id, at)
    values (%(customer)s, nextval('crm_fact_id_seq'), %(now)s)
)
select count(*) from gone
"""


def forget_facts(customer_id: int, *, now: datetime) -> int:
    """Take everything that happened to a customer away, copies to follow; returns how many facts.

    In the caller's transaction, which holds the customer.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, {"customer": customer_id, "now": now})
        return cursor.fetchone()[0]


def kind_ids(codes: set[str]) -> dict[str, int]:
    """Numbers of the named kinds; raises UnknownKind with the names that nobody declared."""
    known = dict(FactKind.objects.filter(code__in=codes).values_list("code", "id"))
    if missing := sorted(codes - known.keys()):
        raise UnknownKind(
            _("未登记的事件：%(codes)s。请先在配置中登记事件种类。")
            % {"codes": "、".join(missing)},
            field="event",
        )
    return known


def declare_kind(
    *, code: str, label_zh: str, label_en: str = "", meaning: str = "", emitter: str = "api"
) -> FactKind:
    """Declare a company's own kind; the same code again returns the existing row unchanged."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Two importers may declare kinds at once; numbers must not collide.
        cursor.execute("lock table crm_factkind in share row exclusive mode")
        kind = FactKind.objects.filter(code=code).first()
        if kind is None:
            top = FactKind.objects.aggregate(top=Max("id"))["top"] or 0
            kind = FactKind.objects.create(
                id=max(top + 1, FIRST_COMPANY_KIND),
                code=code,
                label_zh=label_zh or code,
                label_en=label_en,
                meaning=meaning,
                emitter=emitter,
            )
    return kind


def sync_catalogue(**_signal: Any) -> None:
    """Write the built-in kinds into their table (after every migration)."""
    with override("zh-hans"):
        rows = [
            FactKind(
                id=kind.id,
                code=kind.code,
                label_zh=str(kind.label),
                meaning=str(kind.meaning),
                emitter=kind.emitter,
                is_builtin=True,
            )
            for kind in KINDS
        ]
    FactKind.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["code", "label_zh", "meaning", "emitter", "is_builtin"],
    )
