"""A segment between two days: who answered at the end of each, who came and who went."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _
from pyroaring import BitMap

from analytics.segments.parsing import RuleRefused
from analytics.segments.past import Instant, kept_since
from analytics.segments.queries import answer_then
from analytics.segments.rule import Choice, Node, Span, Tags, walk
from crm.agents.models import User
from crm.shared.times import day_end, local_day

PARTS = ("before", "after", "stayed", "came", "went")
EARLIEST = date(2000, 1, 1)
# Attributes that no fact, order or stay tells of: before the first kept state, the oldest is taken.
_KEPT_ONLY = {"stage", "channel", "gender", "city", "age"}


@dataclass(frozen=True)
class OverTime:
    """Ids at the end of ``since`` and of ``until``, in the viewer's scope."""

    since: date
    until: date
    before: BitMap
    after: BitMap

    def part(self, name: str) -> BitMap:
        """``before``, ``after``, ``stayed``, ``came`` or ``went``."""
        return {
            "before": lambda: self.before,
            "after": lambda: self.after,
            "stayed": lambda: self.before & self.after,
            "came": lambda: self.after - self.before,
            "went": lambda: self.before - self.after,
        }[name]()


def over_time(
    rule: Node, since: date, until: date, *, user: User | None, now: datetime
) -> OverTime:
    """Ask a rule of the ends of two days. Raises RuleRefused for days that cannot be asked."""
    if since >= until:
        raise RuleRefused(_("开始日期要早于结束日期"), field="from")
    return OverTime(
        since,
        until,
        answer_then(rule, user=user, instant=end_of(since, now)).bits,
        answer_then(rule, user=user, instant=end_of(until, now)).bits,
    )


def end_of(day: date, now: datetime) -> Instant:
    """The last instant of a local day; of today, now. Raises RuleRefused."""
    if day > local_day(now):
        raise RuleRefused(_("不能问将来的日期"), field="to")
    if day < EARLIEST:
        raise RuleRefused(_("日期不能早于 2000 年"), field="from")
    return Instant(min(day_end(day) - timedelta(microseconds=1), now))


def caveat(rule: Node, since: date) -> str:
    """What has to be said of an answer from before the earlier states were kept; else nothing."""
    start = kept_since()
    if start is None or since >= local_day(start):
        return ""
    if not any(_needs_states(node) for node in walk(rule)):
        return ""
    return _("标签、阶段、城市等属性的历史自 %(day)s 起保留；更早的日期用当时留下的最早取值") % {
        "day": local_day(start).isoformat()
    }


def _needs_states(node: Node) -> bool:
    if isinstance(node, Choice | Span):
        return node.field in _KEPT_ONLY
    return isinstance(node, Tags)
