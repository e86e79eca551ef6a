"""A funnel question as SQL: every customer's instants are folded as arrays.

An instant is a moment with, for each sort of event that steps ask for, how many happened then. A
chain takes from each instant as many next steps as its events can fill, whatever their order inside
it, so ties are free and no event fills two steps. The chosen chain is that of the earliest entry
that attains the customer's best level.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analytics.clickhouse.conditions import is_step
from analytics.clickhouse.connection import text
from analytics.clickhouse.source import ClickHouseSource
from analytics.events.kernel import OPEN, SETTLED, YOUNG
from analytics.funnels.question import Question, Step
from crm.shared.times import corp_zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME = 1 << 53
SECOND = 1_000_000

_CHOSEN = """
with matched as (
    select customer, at, id, multiIf({classes}, 0) as class
    from facts final
    where {scope} and kind in ({kinds}) and at <= {cut} and class > 0
), instants as (
    select customer, at, [{counts}] as n, minIf(id, {opens}) as first_id
    from matched group by customer, at
), logs as (
    select customer, arraySort(groupArray((at, n, first_id))) as log,
           arrayFilter(x -> {opening}, log) as openings,
           arrayFilter(x -> x.1 >= {since} and x.1 < {until}, {entries}) as entries
    from instants group by customer having notEmpty(entries)
), chains as (
    select customer, entries,
           arrayMap(e -> {chain}, entries) as found,
           arrayMax(arrayMap(c -> length(c), found)) as level,
           arrayFirstIndex(c -> length(c) = level, found) as place
    from logs
), chosen as (
    select customer, toUInt8(level) as level, entries[place].1 as entry_at,
           entries[place].3 as entry_id, found[place] as times,
           multiIf(not arrayExists(e -> e.1 + {window} > {now}, entries), {settled},
                   level < {steps}, {open}, {young}) as state
    from chains
)
"""
# From each instant inside the window, as many steps as its events can fill, at most `most`.
_IN_ORDER = """
arrayFold(
    (done, x) -> arrayConcat(done, arrayWithConstant(least({most}, if(
        (arrayFirstIndex(
            i -> x.2[{cls}[length(done) + i]]
                 < countEqual(arraySlice({cls}, length(done) + 1, i), {cls}[length(done) + i]),
            range(1, {steps} - length(done) + 1)
        ) as stuck) = 0, {steps} - length(done), stuck - 1)), x.1)),
    arrayFilter(x -> x.1 >= e.1 and x.1 <= e.1 + {window}, log), emptyArrayInt64())
"""
# Of each sort of event the first ones, as many as steps ask for it, in order of time.
_ANY_ORDER = """
arraySort(arrayFlatten(arrayMap(
    c -> arraySlice(arrayFlatten(arrayMap(
        x -> arrayWithConstant(x.2[c], x.1),
        arrayFilter(x -> x.1 >= e.1 and x.1 <= e.1 + {window}, log)
    )), 1, countEqual({cls}, c)),
    range(1, {sorts} + 1))))
"""


@dataclass(frozen=True)
class Folded:
    """The common part of every statement about a question: it defines `chosen`, one row a customer.

    `chosen` has customer, level, state (settled, open or young), entry_at, entry_id and `times`
    (microseconds).
    """

    question: Question
    source: ClickHouseSource
    with_: str

    @classmethod
    def of(cls, question: Question, source: ClickHouseSource, as_of: datetime) -> "Folded":
        return cls(question, source, _chosen(question, source, as_of))

    def cells(self) -> str:
        """`cells`: the chosen rows that filters keep, with the value of each breakdown."""
        names = [*self.question.breakdown, *(name for name, _keys in self.question.filters)]
        attributes = list(dict.fromkeys(_attribute(name) for name in names if name != "week"))
        if not attributes:
            return f"{self.with_}, cells as (select *, {self._week()} as week from chosen)"
        carried = [name for name in attributes if name != "stage"]
        told = ", ".join(
            f"argMaxIf(f.{name}, (f.at, f.id), f.{name} != '') as told_{name}" for name in carried
        )
        own = ", ".join(
            f"if(told_{name} != '', told_{name}, own.{name}) as {name}"
            if name == "channel"
            else (f"told_{name} as {name}" if name != "stage" else "own.stage as stage")
            for name in attributes
        )
        return f"""{self.with_}, told as (
            select c.customer as customer, any(c.level) as level, any(c.state) as state,
                   any(c.entry_at) as entry_at, any(c.times) as times{", " + told if told else ""}
            from (select * from facts final where {self.source.where}) as f
            join chosen as c on c.customer = f.customer
            where (f.at, f.id) <= (c.entry_at, c.entry_id)
            group by c.customer
        ), cells as (
            select told.customer as customer, level, state, entry_at, times,
                   {self._week()} as week, {own}
            from told left join (
                select customer, channel, stage from units final where {self.source.where}
            ) as own on own.customer = told.customer
        )"""

    def _week(self) -> str:
        local = f"toTimeZone(fromUnixTimestamp64Micro(entry_at), {text(corp_zone().key)})"
        return f"toString(toMonday({local}))"


def _attribute(name: str) -> str:
    """A team is the team of the agent whom the entry names."""
    return "agent" if name == "team" else name


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _chosen(question: Question, source: ClickHouseSource, as_of: datetime) -> str:
    kinds = source.kind_ids({step.event for step in question.steps})
    sorts = _sorts(question)
    cls = [sorts.index(step) + 1 for step in question.steps]
    is_any = question.order == "any"
    since, until = question.cohort
    numbers = {
        "steps": len(cls),
        "sorts": len(sorts),
        "cls": str(cls),
        "window": question.window * SECOND,
        "settled": SETTLED,
        "open": OPEN,
        "young": YOUNG,
        "most": 1 if question.order == "strict_increase" else len(cls),
    }
    chain = (_ANY_ORDER if is_any else _IN_ORDER).format(**numbers)
    opens = "1" if is_any else f"class = {cls[0]}"
    return _CHOSEN.format(
        classes=", ".join(
            f"{is_step(step, kinds[step.event], source)}, {number}"
            for number, step in enumerate(sorts, start=1)
        ),
        scope=source.where,
        kinds=", ".join(str(kinds[step.event]) for step in sorts),
        cut=micros(question.as_of) if question.as_of else END_OF_TIME,
        counts=", ".join(f"countIf(class = {n})" for n in range(1, len(sorts) + 1)),
        opens=opens,
        opening="1" if is_any else f"x.2[{cls[0]}] > 0",
        entries="arraySlice(openings, 1, 1)" if question.entry == "first" else "openings",
        since=micros(since) if since else 0,
        until=micros(until) if until else END_OF_TIME,
        chain=chain,
        now=micros(as_of),
        **numbers,
    )


def _sorts(question: Question) -> list[Step]:
    """Different steps, each of an event of its own: no event can fill either of two."""
    return list(dict.fromkeys(question.steps))
