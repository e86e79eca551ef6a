"""Looks at a running comparison: when they are, what each may say, and in which words.

Everything is told as of the latest planned look, so that who opens the page oftener sees no more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isinf
from typing import Any

from django.utils.translation import gettext as _

from analytics.experiments.analysis import Report, Result
from analytics.experiments.looking import EVENTS_TO_STOP_EARLY, Look
from crm.shared.formatting import when

LOOK_EVERY = {14: 2, 30: 5}
"""Days between two looks, by the days of observation; every day where none are named."""


@dataclass(frozen=True)
class Looking:
    """Planned looks of an observation: ``planned`` of them, ``step`` apart, ``reached`` by now."""

    since: datetime
    planned: int
    step: timedelta
    reached: int

    @classmethod
    def at(cls, now: datetime, *, since: datetime, days: int) -> "Looking":
        """Where ``now`` stands among the looks of so many days of observation."""
        step = timedelta(days=LOOK_EVERY.get(days, 1))
        planned = days // step.days
        return cls(since, planned, step, min(planned, max(0, (now - since) // step)))

    @property
    def length(self) -> timedelta:
        """How much of the observation the latest look has seen."""
        return self.step * self.reached

    @property
    def looked_at(self) -> datetime:
        """The moment up to which everything is told."""
        return self.since + self.length

    @property
    def next_at(self) -> datetime:
        """The moment from which the next look tells more."""
        return self.looked_at + self.step

    @property
    def ends_at(self) -> datetime:
        """When the observation is over."""
        return self.since + self.step * self.planned

    @property
    def is_over(self) -> bool:
        return self.reached == self.planned

    def as_json(self) -> dict[str, Any]:
        """As the API prints it."""
        return {
            "look": self.reached,
            "looks": self.planned,
            "looked_at": self.looked_at.isoformat() if self.reached else None,
            "next_at": None if self.is_over else self.next_at.isoformat(),
        }


def status_of(report: Report, looking: Looking) -> str:
    """`answered` at the end; before it `crossed` if the first outcome says enough already."""
    if report.status != "answered" or looking.is_over:
        return report.status
    looks = report.results[0].looks if report.results else None
    return "crossed" if looks and looks.crossed else "too_early"


def verdict_words(result: Result, *, is_bad: bool) -> tuple[str, str]:
    """Words and colour of a result; ``is_bad``: more of it is worse."""
    looks = result.looks
    if result.verdict == "too_early":
        return _("尚早，不下结论"), ""
    if result.verdict == "no_evidence":
        return _("看不出差别"), ""
    if result.is_lost_among_many:
        return _("几项一起看，还看不出差别"), ""
    is_good = (result.verdict == "higher") != is_bad
    words = _("更高") if result.verdict == "higher" else _("更低")
    if looks and looks.crossed and looks.crossed.number != looks.planned:
        words = _("%(verdict)s（第 %(n)s 次查看时越界）") % {
            "verdict": words, "n": looks.crossed.number,
        }  # fmt: skip
    return words, "good" if is_good else "bad"


def looking_words(report: Report, looking: Looking) -> str:
    """Which look this is, how far the first outcome is from its boundary, and what is said."""
    if not looking.reached:
        return _("还没到第一次查看（%(at)s），之前不比较。共计划 %(n)s 次查看。") % {
            "at": when(looking.next_at), "n": looking.planned,
        }  # fmt: skip
    told = {"k": looking.reached, "n": looking.planned, "at": when(looking.looked_at)}
    words = [_("第 %(k)s 次查看，共计划 %(n)s 次；各数截至 %(at)s。") % told]
    if report.results and (looks := report.results[0].looks):
        words.append(_boundary_words(looks.latest))
    if status_of(report, looking) == "crossed":
        words.append(_("已越界：下单的差别可以提前认定。"))
    elif not looking.is_over:
        words.append(_("尚早，不要下结论；下一次查看在 %(at)s。") % {"at": when(looking.next_at)})
    else:
        words.append(_("这是最后一次，结论不再变。"))
    return " ".join(words)


def _boundary_words(look: Look) -> str:
    if isinf(look.boundary):
        return _("还没有人下单，谈不上界限。")
    words = _("下单的 |z| 为 %(z)s，界限 %(limit)s。") % {
        "z": f"{abs(look.z):.2f}", "limit": f"{look.boundary:.2f}",
    }  # fmt: skip
    if look.is_enough:
        return words
    few = _("每组至少 %(n)s 人下单、%(n)s 人没有，才提前认定。") % {"n": EVENTS_TO_STOP_EARLY}
    return f"{words} {few}"


def multiplicity_words() -> str:
    """How several looks and several outcomes are taken into account."""
    return _(
        "查看几次就有几次碰巧的机会：查看的时间事先排定，两次之间打开多少次都是同一个答案，"
        "区间按所有查看一起放宽（Lan–DeMets，O'Brien–Fleming 型），合计错误率 5%。"
        "下单是主要结果；其余三项一起看，按 Benjamini–Hochberg 控制，错误发现率 5%。"
    )
