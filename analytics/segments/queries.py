"""Who answers a rule: how many, which ids, the first page. All within the viewer's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext as _
from pyroaring import BitMap

from analytics.segments.compiling import Setting, predicate
from analytics.segments.fields import FIELDS
from analytics.segments.index import dims
from analytics.segments.index.building import refresh
from analytics.segments.index.evaluating import Evaluation, words_of
from analytics.segments.index.reading import read_values
from analytics.segments.models import Segment, SegmentIndex, SegmentVersion
from analytics.segments.own import own_fields, problem
from analytics.segments.parsing import RuleRefused, rule_from
from analytics.segments.past import Instant, ids_then
from analytics.segments.rule import (
    Choice,
    Group,
    Happened,
    InSegment,
    Node,
    Own,
    placed,
    walk,
)
from crm.agents.access import Role
from crm.agents.models import Agent, User
from crm.customers.models import Customer, CustomerQuerySet
from crm.shared.times import local_day
from crm.timeline.models import FactKind

RECHECK_AT_MOST = 100_000
_CHANGED = """
select customer_id from analytics_segmentdirty
union
select customer_id from crm_fact where id > %s and kind_id = any(%s)
"""


@dataclass(frozen=True)
class Answer:
    """Ids in scope, ascending; ``engine`` is ``bitmaps`` or ``sql``."""

    bits: BitMap
    engine: str

    @property
    def count(self) -> int:
        return len(self.bits)

    def first(self, size: int = 50, after: int = 0) -> list[int]:
        """Ids of a page: those that follow ``after``."""
        page: list[int] = []
        for pk in self.bits.iter_equal_or_larger(after + 1):
            page.append(pk)
            if len(page) == size:
                break
        return page


def setting_for(
    rule: Node, *, now: datetime | None = None, saved_by: datetime | None = None
) -> Setting:
    """Everything a rule refers to; raises RuleRefused for a circle of segments.

    Segments inside are taken in their newest version, or in the newest that was saved by then.
    """
    segments: dict[int, Group] = {}
    _collect(rule, segments, (), saved_by)
    kinds = dict(FactKind.objects.values_list("code", "pk"))
    nodes = [node for part in (rule, *segments.values()) for node in walk(part)]
    return Setting(local_day(now or timezone.now()), kinds, segments, own_fields(nodes))


def refuse_misfits(tree: Group, setting: Setting) -> None:
    """Raise RuleRefused for a condition on a field that is no longer what the rule takes it for.

    Such a condition matches nobody, so "none of these" would match everybody: nothing new is made
    of it.
    """
    inside = [(f"segment {pk}", node) for pk, one in setting.segments.items() for node in walk(one)]
    for place, node in (*placed(tree), *inside):
        if isinstance(node, Own) and (words := problem(node, setting.own)):
            raise RuleRefused(f"{place or 'rule'}: {words}", field=place or "rule")


def _collect(
    rule: Node, segments: dict[int, Group], path: tuple[int, ...], saved_by: datetime | None
) -> None:
    for node in walk(rule):
        if not isinstance(node, InSegment):
            continue
        if node.segment in path:
            raise RuleRefused(_("分群互相引用成环：请去掉其中一个引用"), field="segment")
        if node.segment not in segments:
            segments[node.segment] = _rule_of(node.segment, saved_by)
        _collect(segments[node.segment], segments, (*path, node.segment), saved_by)


def _rule_of(segment_id: int, saved_by: datetime | None) -> Group:
    found = Segment.unsafe_all.filter(pk=segment_id).values_list("rule", flat=True)
    if saved_by is not None:
        versions = SegmentVersion.objects.filter(segment=segment_id, saved_at__lte=saved_by)
        found = versions.order_by("-number").values_list("rule", flat=True)
    rule = found.first()
    if rule is None:
        raise RuleRefused(_("没有编号为 %(id)s 的分群") % {"id": segment_id}, field="segment")
    return rule_from(rule)


def answer(rule: Node, *, user: User | None, now: datetime | None = None) -> Answer:
    """Who answers the rule now. ``user`` None sees everybody (commands and background work)."""
    setting = setting_for(rule, now=now)
    state = SegmentIndex.objects.filter(pk=1).first()
    if state is None:
        return Answer(BitMap(sql_ids(rule, setting, user)), "sql")
    return Answer(_from_bitmaps(rule, setting, user, state), "bitmaps")


def answer_then(rule: Node, *, user: User | None, instant: Instant) -> Answer:
    """Who answered the rule at an instant, of those whom the user may see today."""
    saved_by = instant.at if instant.as_known else None
    setting = setting_for(rule, now=instant.at, saved_by=saved_by)
    _refuse_unknown_past(rule, setting, instant)
    found = BitMap(ids_then(rule, setting, instant))
    if user is None or _sees_everybody(user):
        return Answer(found, "sql")
    seen = Customer.objects.for_user(user).order_by().values_list("pk", flat=True)
    return Answer(found & BitMap(seen), "sql")


def _refuse_unknown_past(rule: Node, setting: Setting, instant: Instant) -> None:
    """Raise RuleRefused for what cannot be told of the instant: a wrong list is worse than none."""
    for part in (rule, *setting.segments.values()):
        for node in walk(part):
            field = FIELDS[node.field] if isinstance(node, Choice) else None
            if field and field.people and (instant.as_known or field.past == "now"):
                words = _("「%(name)s」只知道现在的，不能按那时所知来问；请去掉这个条件再问")
                if not instant.as_known:
                    words = _("「%(name)s」只知道现在的，不能问过去的日子；请去掉这个条件再问")
                raise RuleRefused(words % {"name": field.label}, field="rule")


def _from_bitmaps(rule: Node, setting: Setting, user: User | None, state: SegmentIndex) -> BitMap:
    changed = _changed(rule, setting, state)
    if len(changed) > RECHECK_AT_MOST and refresh(now=timezone.now()) is not None:
        state = SegmentIndex.objects.get(pk=1)
        changed = _changed(rule, setting, state)
    nodes = [node for tree in (rule, *setting.segments.values()) for node in walk(tree)]
    evaluation = Evaluation(rule, setting, words_of(nodes))
    found = evaluation.run(rule, _scope(user))
    if not changed:
        return found
    rechecked = sql_ids(rule, setting, user, only=changed)
    return (found - BitMap(changed)) | BitMap(rechecked)


def _changed(rule: Node, setting: Setting, state: SegmentIndex) -> list[int]:
    """Customers whom the bitmaps may not know as they are now."""
    trees = (rule, *setting.segments.values())
    kinds = {
        setting.kinds[node.kind]
        for tree in trees
        for node in walk(tree)
        if isinstance(node, Happened) and node.kind in setting.kinds
    }
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, [state.facts_upto, list(kinds)])
        return [pk for (pk,) in cursor.fetchall()]


def _scope(user: User | None) -> BitMap | None:
    """Whom the user may see by the bitmaps; None is everybody."""
    if user is None or _sees_everybody(user):
        return None
    if not user.is_active or user.role == Role.ADMIN:
        return BitMap()
    agents = Agent.objects.for_user(user).values_list("pk", flat=True)
    found = read_values({(dims.KNOWN, pk) for pk in agents}, set())
    return BitMap.union(*found.values()) if found else BitMap()


def _sees_everybody(user: User) -> bool:
    if not user.is_active:
        return False
    return user.role in (Role.OPERATOR, Role.REVIEWER, Role.SERVICE) or (
        user.role in (Role.LEAD, Role.MANAGER) and user.oversees_everything
    )


def matching(rule: Node, setting: Setting, user: User | None) -> CustomerQuerySet:
    """The customers who answer, as SQL: what the bitmaps must equal."""
    seen = Customer.unsafe_all.all() if user is None else Customer.objects.for_user(user)
    condition = predicate(rule, setting)
    return seen.filter(
        RawSQL(condition.sql, condition.params, output_field=BooleanField())  # noqa: S611
    )


def sql_ids(
    rule: Node, setting: Setting, user: User | None, only: Sequence[int] | None = None
) -> list[int]:
    """Ids of the customers who answer, by SQL; ``only`` looks at these customers alone."""
    found: Any = matching(rule, setting, user)
    if only is not None:
        found = found.filter(pk__in=list(only))
    return list(found.order_by().values_list("pk", flat=True))
