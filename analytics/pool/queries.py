"""Reading balances: from the cube for those who see everybody, else from their customers' moves."""

from datetime import date, datetime

from django.db.models import Case, F, Q, QuerySet, Sum, When
from django.utils.translation import gettext as _

from analytics.figures.lasting import lasting
from analytics.figures.query_ids import QueryIds
from analytics.pool.balance import (
    INS,
    OUTS,
    POOLS,
    Balance,
    BalanceQuestion,
    BalanceRefused,
    days_from,
)
from analytics.pool.relations import groups_on
from analytics.standing.models import Link, Person, Pool, PoolDay, PoolMove
from crm.agents.models import User
from crm.customers.models import Customer

_SIGNED = Case(
    When(person=Person.OUT, then=-F("n")),
    When(person=Person.STAYED, then=0),
    default=F("n"),
)
_LINKS = Case(When(link__in=(Link.ADDED, Link.JOINED), then=F("n")), default=-F("n"))


def balance(question: BalanceQuestion, *, user: User, now: datetime) -> Balance:
    """The balance of the customers whom this user may see."""
    return lasting("pool", question.as_json(), user=user, ask=lambda: _balance(question, user, now))


def _balance(question: BalanceQuestion, user: User, now: datetime) -> Balance:
    cells = _cells(user)
    pool = POOLS[question.pool]
    here = cells.filter(pool=pool, on_day__range=(question.since, question.until))
    rows = here.values_list("on_day", "link", "person").annotate(Sum("n"))
    stock = {
        row["pool"]: row
        for row in cells.filter(on_day__lte=question.until)
        .values("pool")
        .annotate(people=Sum(_SIGNED), links=Sum(_LINKS))
    }
    none = {"people": 0, "links": 0}
    friends, groups = stock.get(Pool.FRIENDS, none), stock.get(Pool.GROUPS, none)
    return Balance(
        question=question,
        days=days_from(question, _opening(cells, pool, question.since), list(rows)),
        data_time=now,
        friends=friends["people"],
        members=groups["people"],
        relations=friends["links"],
        memberships=groups["links"],
        groups=groups_on(user, question.until).count(),
    )


def people_behind(question: BalanceQuestion, *, user: User, what: str, on: date | None) -> QueryIds:
    """Sorted ids of exactly the customers behind one number of one day.

    ``what`` is ``opening``, ``closing``, ``came``, ``went`` or the code of a reason.
    """
    moves = PoolMove.objects.for_user(user).filter(pool=POOLS[question.pool])
    if on is None or not question.since <= on <= question.until:
        raise BalanceRefused(_("没有这个数字，请从报表页点开"), field="on")
    if what in ("opening", "closing"):
        moves = moves.filter(on_day__lt=on) if what == "opening" else moves.filter(on_day__lte=on)
        inside = moves.values("customer_id").annotate(inside=Sum(_SIGNED)).filter(inside__gt=0)
        return QueryIds(inside)
    moves = moves.filter(_reason(question, what), on_day=on)
    return QueryIds(moves)


def _reason(question: BalanceQuestion, what: str) -> Q:
    if what == "came":
        return Q(person__in=INS.values())
    if what == "went":
        return Q(person=Person.OUT)
    if what in question.ins:
        return Q(person=INS[what])
    if what in question.outs:
        return Q(person=Person.OUT, link=OUTS[question.pool][what])
    raise BalanceRefused(_("没有这个数字，请从报表页点开"), field="what")


def _cells(user: User) -> QuerySet:
    if Customer.objects.for_user(user).query.where:
        return PoolMove.objects.for_user(user)
    return PoolDay.objects.all()


def _opening(cells: QuerySet, pool: int, since: date) -> int:
    before = cells.filter(pool=pool, on_day__lt=since)
    return before.aggregate(people=Sum(_SIGNED))["people"] or 0
