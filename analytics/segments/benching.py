"""The inside of `bench segment`: customers, rules, rivals."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone

from analytics.segments.index.building import refresh
from analytics.segments.index.reading import cache
from analytics.segments.over_time import end_of
from analytics.segments.parsing import rule_from
from analytics.segments.queries import answer, answer_then, matching, setting_for
from crm.agents.access import Role
from crm.agents.models import User
from crm.customers.models import Customer, Tag, TagGroup
from crm.shared.times import day_start, local_day
from crm.timeline.queries import KIND_IDS

SEED = 20_261_126
TAGS, CITIES, PLACES = 1_000, 50, 200
DAYS = 60
BLOCK = 200_000
RULES = 30
RIVAL_RULES = 8  # The slow rivals answer the first of each sort only.
_DROPPED = (
    "customer_search", "customer_newest", "customer_recent", "customer_paid", "customer_name",
    "customer_channel",
)  # fmt: skip


def measure(people: int) -> dict[str, Any]:
    """Everything, on an empty database."""
    if Customer.unsafe_all.exists():
        raise RuntimeError("bench segment --here needs an empty database")
    today = local_day(timezone.now())
    load_s, _none = _timed(lambda: _load(people, today))
    build_s, _none = _timed(lambda: refresh(now=timezone.now(), everything=True))
    rules = {"selective": _rules(selective=True), "broad": _rules(selective=False)}
    user = User.objects.create(username="bench", role=Role.OPERATOR)
    cache.clear()
    first = {sort: _times(found, user) for sort, found in rules.items()}
    warm = {sort: _times(found * 3, user) for sort, found in rules.items()}
    pages = _pages(rules["selective"] + rules["broad"], user)
    counts, sql_ms, unequal = _compared(rules, user)
    many = {sort: _many_to_many(found, counts[sort], today) for sort, found in rules.items()}
    chdb = _chdb(rules, counts, today)
    p95 = {sort: _p95(times) for sort, times in warm.items()}
    return {
        "scale": {"customers": people, "rules": 2 * RULES, "load_s": round(load_s, 1)},
        "measured": {
            "equal": not unequal and all(r["equal"] for r in [*many.values(), *chdb.values()]),
            "selective_p95_ms": p95["selective"],
            "broad_p95_ms": p95["broad"],
            "selective_p50_ms": _median(warm["selective"]),
            "broad_p50_ms": _median(warm["broad"]),
            "first_page_p95_ms": _p95(pages),
            "cold_p95_ms": _p95(first["selective"] + first["broad"]),
            "as_of_p95_ms": _p95(_as_of(rules["selective"][:5] + rules["broad"][:5])),
            "changed_tag_counted": _changed_tag_counts(user),
            "build_s": round(build_s, 1),
            "index_mb": _index_mb(),
            "selective_median_size": int(statistics.median(counts["selective"])),
            "broad_median_size": int(statistics.median(counts["broad"])),
        },
        "rivals": {
            "plain_sql": {s: {"p50_ms": _median(t), "p95_ms": _p95(t)} for s, t in sql_ms.items()},
            "many_to_many": many,
            "chdb": chdb,
        },
        "ratios": {
            f"{rival}_over_ours_{sort}": round(found[sort]["p95_ms"] / p95[sort], 1)
            for rival, found in (("many_to_many", many), ("chdb", chdb))
            for sort in rules
        },
        "goals": {"selective_p95_ms": 60, "broad_p95_ms": 150, "first_page_p95_ms": 70},
    }


def _as_of(rules: list[dict[str, Any]]) -> list[float]:
    """Seconds of the same questions at the end of a day two weeks ago."""
    now = timezone.now()
    instant = end_of(local_day(now) - timedelta(days=14), now)
    return [
        _timed(lambda rule=rule: answer_then(rule_from(rule), user=None, instant=instant))[0]
        for rule in rules
    ]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _p95(times: list[float]) -> float:
    return round(float(np.percentile(times, 95)) * 1000, 1)


def _median(times: list[float]) -> float:
    return round(statistics.median(times) * 1000, 1)


# Data.


def _load(people: int, today: date) -> None:
    dice = np.random.default_rng(SEED)
    with connection.cursor() as cursor:
        for name in _DROPPED:  # Not asked here, and slow to load into.
            cursor.execute(f'drop index "{name}"')
        cursor.execute("drop index customer_tags")
    group = TagGroup.objects.create(wecom_id="etBench", name="bench")
    Tag.objects.bulk_create(
        Tag(pk=n, wecom_id=f"et{n}", name=f"t{n}", group=group) for n in range(1, TAGS + 1)
    )
    for low in range(1, people + 1, BLOCK):
        count = min(BLOCK, people + 1 - low)
        _copy_customers(dice, low, count, today)
        _copy_facts(dice, low, count, today)
    with connection.cursor() as cursor:
        cursor.execute("create index customer_tags on crm_customer using gin (tag_ids)")
        cursor.execute("select setval('crm_customer_id_seq', %s)", [people])
        cursor.execute("select setval('crm_fact_id_seq', (select max(id) from crm_fact))")
        cursor.execute(
            "create table bench_tag as"
            " select unnest(tag_ids) as tag, id::integer as customer from crm_customer"
        )
        cursor.execute("create index on bench_tag (tag, customer)")
        cursor.execute("truncate analytics_segmentdirty")
        cursor.execute("vacuum analyze")


def _copy_customers(dice: Any, low: int, count: int, today: date) -> None:
    popular = np.minimum(dice.zipf(1.3, size=count * 6), TAGS).astype(np.int64)
    sizes = dice.integers(0, 7, size=count).tolist()
    cities = dice.integers(0, CITIES, size=count).tolist()
    born = dice.integers(6_000, 27_000, size=count).tolist()
    orders = dice.poisson(0.6, size=count).tolist()
    paid = (dice.lognormal(11, 1.2, size=count)).astype(np.int64).tolist()
    recency = dice.integers(1, 400, size=count).tolist()
    columns = (
        "id, name, name_sort, search, avatar, gender, phone, city, birthday, stage, is_friend,"
        " friend_since, tag_ids, group_count, order_count, paid_cents, last_paid_at, origin,"
        " created_at, updated_at"
    )
    now, start = timezone.now(), day_start(today)
    tags = popular.tolist()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy crm_customer ({columns}) from stdin") as copy,
    ):
        for n in range(count):
            bought = orders[n] > 0
            copy.write_row(
                (
                    low + n, "客户", "", [], "", n % 3, "", f"城市{cities[n]}",
                    date.fromordinal(711_000 + born[n] - 6_000), "acquaintance", n % 10 < 8,
                    start - timedelta(days=n % 300),
                    sorted(set(tags[6 * n : 6 * n + sizes[n]])), 0, orders[n],
                    paid[n] if bought else 0,
                    start - timedelta(days=recency[n]) if bought else None, "bench", now, now,
                )
            )  # fmt: skip


def _copy_facts(dice: Any, low: int, count: int, today: date) -> None:
    """1.6 views of a route and 0.4 messages a customer over the last 60 days."""
    views, sent = int(count * 1.6), int(count * 0.4)
    start, now = day_start(today), timezone.now()
    columns = "customer_id, kind_id, at, recorded_at, source, source_key, properties"
    rows = [(KIND_IDS["route_viewed"], views), (KIND_IDS["message_sent"], sent)]
    places = [f'{{"destination": "地点{n}"}}' for n in range(PLACES)]
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy crm_fact ({columns}) from stdin") as copy,
    ):
        for kind, size in rows:
            customers = (low + dice.integers(0, count, size=size)).tolist()
            minutes = dice.integers(0, DAYS * 1440, size=size).tolist()
            where = np.minimum(dice.zipf(1.2, size=size), PLACES).astype(np.int64).tolist()
            for n in range(size):
                properties = places[where[n] - 1] if kind == rows[0][0] else "{}"
                at = start - timedelta(minutes=minutes[n])
                key = f"{kind}:{low}:{n}"
                copy.write_row((customers[n], kind, at, now, "bench", key, properties))


# Rules.


def _rules(*, selective: bool) -> list[dict[str, Any]]:
    dice = np.random.default_rng(SEED + selective)
    make = _selective if selective else _broad
    return [make(dice, n) for n in range(RULES)]


def _ids(dice: Any, low: int, high: int, size: int) -> list[int]:
    return [int(n) for n in dice.choice(np.arange(low, high), size=size, replace=False)]


def _selective(dice: Any, number: int) -> dict[str, Any]:
    age = int(dice.integers(20, 50))
    parts: list[dict[str, Any]] = [
        {"tags": "any", "ids": _ids(dice, 5, 200, 3)},
        {"tags": "all", "ids": _ids(dice, 1, 4, 1)},
        {"tags": "none", "ids": _ids(dice, 10, 60, 2)},
        {"field": "age", "from": age, "to": age + 15},
        {"field": "city", "in": [f"城市{n}" for n in _ids(dice, 0, CITIES, 12)]},
        {"fact": "message_sent", "days": 7, "at_most": 0},
    ]
    if number % 3:
        parts += [
            {"field": "paid_days", "to": int(dice.integers(60, 300))},
            {"field": "paid", "from": int(dice.integers(100, 900))},
        ]
    if number % 2:
        where = {"destination": f"地点{int(dice.integers(1, 12)) - 1}"}
        parts.append({"fact": "route_viewed", "days": 14, "at_least": 2, "where": where})
    return {"all": parts}


def _broad(dice: Any, number: int) -> dict[str, Any]:
    return {
        "all": [
            {"tags": "any", "ids": _ids(dice, 1, 12, 4)},
            {"tags": "none", "ids": _ids(dice, 100, 160, 3)},
            {"field": "age", "from": int(dice.integers(15, 25)), "to": int(dice.integers(55, 70))},
            {"field": "city", "in": [f"城市{n}" for n in _ids(dice, 0, CITIES, 35)]},
            {"fact": "message_sent", "days": 7, "at_most": 0},
        ]
    }


# Ours.


def _times(rules: list[dict[str, Any]], user: User) -> list[float]:
    return [_timed(lambda rule=rule: answer(rule_from(rule), user=user).count)[0] for rule in rules]


def _pages(rules: list[dict[str, Any]], user: User) -> list[float]:
    def page(rule: dict[str, Any]) -> int:
        ids = answer(rule_from(rule), user=user).first(50)
        return len(list(Customer.objects.for_user(user).filter(pk__in=ids)))

    return [_timed(lambda rule=rule: page(rule))[0] for rule in rules]


def _compared(rules: dict[str, list], user: User) -> tuple[dict, dict, int]:
    """Counts by the defining SQL, its times, and how many of ours differ."""
    counts, times, unequal = {}, {}, 0
    for sort, some in rules.items():
        counts[sort], times[sort] = [], []
        for body in some:
            tree = rule_from(body)
            found = matching(tree, setting_for(tree), user)
            seconds, count = _timed(found.count)
            counts[sort].append(count)
            times[sort].append(seconds)
            unequal += answer(tree, user=user).count != count
    return counts, times, unequal


def _changed_tag_counts(user: User) -> bool:
    rule = rule_from({"tags": "any", "ids": [TAGS]})
    before = answer(rule, user=user).count
    outside = Customer.unsafe_all.exclude(tag_ids__contains=[TAGS]).order_by("pk")[:1]
    Customer.unsafe_all.filter(pk__in=list(outside.values_list("pk", flat=True))).update(
        tag_ids=[TAGS]
    )
    return answer(rule, user=user).count == before + 1


def _index_mb() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "select (pg_total_relation_size('analytics_segmentbits')"
            " + pg_total_relation_size('analytics_segmentday')) / 1048576"
        )
        return int(cursor.fetchone()[0])


# Rivals.


def _parts(rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from rule["all"]


def _many_to_many(rules: list, counts: list[int], today: date) -> dict[str, Any]:
    times, equal = [], True
    for rule, count in zip(rules[:RIVAL_RULES], counts, strict=False):
        query, params = _joined(rule, today)
        with connection.cursor() as cursor:
            seconds, _none = _timed(lambda c=cursor, q=query, p=params: c.execute(q, p))
            equal = equal and cursor.fetchone()[0] == count
        times.append(seconds)
    return {"p50_ms": _median(times), "p95_ms": _p95(times), "rules": len(times), "equal": equal}


def _joined(rule: dict[str, Any], today: date) -> tuple[str, list[Any]]:
    """The textbook query: one semi-join a tag condition over (tag, customer)."""
    tests, params = [], []
    for part in _parts(rule):
        if "tags" in part:
            word = "not exists" if part["tags"] == "none" else "exists"
            tests.append(
                f"{word} (select from bench_tag t where t.customer = c.id and t.tag = any(%s))"
            )
            params.append(part["ids"])
        else:
            tree = rule_from(part)
            condition = matching(tree, setting_for(tree), None).query
            where = str(condition.where.as_sql(condition.get_compiler("default"), connection)[0])
            values = condition.where.as_sql(condition.get_compiler("default"), connection)[1]
            tests.append(where.replace("crm_customer.", "c."))
            params += values
    where = " and ".join(tests)
    return f"select count(*) from crm_customer c where {where}", params  # noqa: S608


def _chdb(rules: dict[str, list], counts: dict, today: date) -> dict[str, Any]:
    """chDB over (customer) and (facts by place) tables of its own, in this process."""
    from chdb import session

    with tempfile.TemporaryDirectory(prefix="changke-chdb-") as folder:
        chdb = session.Session(folder)
        chdb.query("create database b")
        chdb.query("set max_threads = 2")
        _chdb_load(chdb, folder)
        found = {}
        for sort, some in rules.items():
            times, equal = [], True
            for rule, count in zip(some[:RIVAL_RULES], counts[sort], strict=False):
                query = _chdb_query(rule, today)
                chdb.query(query)
                seconds, result = _timed(lambda q=query: chdb.query(q, "CSV"))
                times.append(seconds)
                equal = equal and int(str(result).strip()) == count
            found[sort] = {
                "p50_ms": _median(times),
                "p95_ms": _p95(times),
                "rules": len(times),
                "equal": equal,
            }
        chdb.close()
    return found


def _chdb_load(chdb: Any, folder: str) -> None:
    queries = {
        "customers": "select id, '[' || array_to_string(tag_ids, ',') || ']',"
        " coalesce(birthday - date '1970-01-01', 0), city,"
        " coalesce((last_paid_at at time zone 'Asia/Shanghai')::date - date '1970-01-01', -100000),"
        " paid_cents from crm_customer",
        "facts": "select kind_id, coalesce(properties->>'destination', ''),"
        " (at at time zone 'Asia/Shanghai')::date - date '1970-01-01', customer_id from crm_fact",
    }
    for name, query in queries.items():
        path = f"{folder}/{name}.csv"
        with (
            connection.cursor() as cursor,
            open(path, "wb") as file,
            cursor.copy(f"copy ({query}) to stdout (format csv)") as copy,
        ):
            for block in copy:
                file.write(bytes(block))
    chdb.query(
        "create table b.customer (id UInt32, tags Array(UInt16), born Int32,"
        " city LowCardinality(String), paid_day Int32, paid Int64) engine = MergeTree order by id"
    )
    chdb.query(
        "create table b.fact (kind UInt16, place LowCardinality(String), day Int32, id UInt32)"
        " engine = MergeTree order by (kind, place, day, id)"
    )
    chdb.query(
        f"insert into b.customer select * from file('{folder}/customers.csv', CSV, 'id UInt32,"  # noqa: S608
        " tags Array(UInt16), born Int32, city String, paid_day Int32, paid Int64')"
    )
    chdb.query(
        f"insert into b.fact select * from file('{folder}/facts.csv', CSV,"  # noqa: S608
        " 'kind UInt16, place String, day Int32, id UInt32')"
    )


def _chdb_query(rule: dict[str, Any], today: date) -> str:
    epoch = (today - date(1970, 1, 1)).days
    tests = [_chdb_test(part, today, epoch) for part in _parts(rule)]
    return f"select count() from b.customer where {' and '.join(tests)}"  # noqa: S608


def _chdb_test(part: dict[str, Any], today: date, epoch: int) -> str:
    if "tags" in part:
        word = "hasAll" if part["tags"] == "all" else "hasAny"
        test = f"{word}(tags, {part['ids']})"
        return f"not {test}" if part["tags"] == "none" else test
    if "fact" in part:
        first = epoch - part["days"] + 1
        kind = KIND_IDS[part["fact"]]
        place = f"and place = '{part['where']['destination']}'" if "where" in part else ""
        days = f"day between {first} and {epoch}"
        who = f"select id from b.fact where kind = {kind} and {days} {place}"  # noqa: S608
        if "at_most" in part:
            return f"id not in ({who})"
        return f"id in ({who} group by id having count() >= {part['at_least']})"
    return _chdb_field(part, today, epoch)


def _chdb_field(part: dict[str, Any], today: date, epoch: int) -> str:
    from analytics.segments.compiling import birthdays
    from analytics.segments.rule import Span

    if part["field"] == "city":
        return f"city in ({', '.join(repr(city) for city in part['in'])})"
    if part["field"] == "age":
        first, last = birthdays(Span("age", part["from"], part["to"]), today)
        origin = date(1970, 1, 1)
        return f"born between {(first - origin).days} and {(last - origin).days}"
    if part["field"] == "paid_days":
        return f"paid_day >= {epoch - part['to']}"
    return f"paid >= {part['from'] * 100}"
