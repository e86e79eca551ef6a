"""Reviewing a send or a post to Moments: costs, lessons, and the next one that begins from it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.moments.actions import duplicate_moment
from crm.moments.models import Moment
from crm.moments.schedule import next_wall
from crm.outreach.actions import NotAllowed, draft_send
from crm.outreach.content import SendContent
from crm.outreach.models import MassSend
from crm.reviews.models import ReviewCost, ReviewLesson
from crm.shared.errors import DomainError
from crm.shared.formatting import in_corp_zone
from crm.shared.text import clean_text

LABEL_CHARS, SOURCE_CHARS, LESSON_CHARS = 64, 128, 1000
MOST_LINES = 50
MOST_CENTS = 10**12
_HOUR = 60
Subject = MassSend | Moment
_COPIED = (
    *("target", "audience_id", "text", "link_title", "link_url", "link_description"),
    *("link_picture", "may_choose", "control_percent", "content_kind", "material_id"),
)


class ReviewRefused(DomainError):
    """A line of a review cannot be kept as it was written; names the field."""

    code = "review_refused"


@dataclass(frozen=True)
class CostLine:
    """A cost as a person writes it: an amount in cents, or minutes at cents an hour."""

    label: str
    source: str
    amount_cents: int | None = None
    minutes: int | None = None
    hourly_cents: int | None = None

    @property
    def total_cents(self) -> int:
        """What the line comes to; half a cent is rounded up."""
        if self.amount_cents is not None:
            return self.amount_cents
        return ((self.minutes or 0) * (self.hourly_cents or 0) + _HOUR // 2) // _HOUR


@transaction.atomic
def note_cost(*, of: Subject, line: CostLine, by: User, now: datetime) -> ReviewCost:
    """Keep a line; raises ReviewRefused naming the field."""
    _refuse_unfit(line)
    type(of).unsafe_all.select_for_update().get(pk=of.pk)
    if of.costs.count() >= MOST_LINES:
        raise ReviewRefused(_("最多 %(n)s 行成本") % {"n": MOST_LINES}, field="label")
    row = of.costs.create(
        label=clean_text(line.label),
        source=clean_text(line.source),
        amount_cents=line.total_cents,
        minutes=None if line.amount_cents is not None else line.minutes,
        hourly_cents=None if line.amount_cents is not None else line.hourly_cents,
        noted_by=by,
        noted_at=now,
    )
    audit(by, _deed(of, "cost"), of, now=now, label=row.label, cents=row.amount_cents)
    return row


@transaction.atomic
def drop_cost(*, of: Subject, cost_id: int, by: User, now: datetime) -> None:
    """Take a line back; one that is gone already stays gone."""
    row = of.costs.select_for_update().filter(pk=cost_id).first()
    if row is not None:
        deed = _deed(of, "cost_dropped")
        audit(by, deed, of, now=now, label=row.label, cents=row.amount_cents)
        row.delete()


@transaction.atomic
def note_lesson(*, of: Subject, text: str, by: User, now: datetime) -> ReviewLesson:
    """Keep what was learned; raises ReviewRefused."""
    text = text.strip()
    if not text:
        raise ReviewRefused(_("请写下这次学到了什么"), field="text")
    if len(text) > LESSON_CHARS:
        raise ReviewRefused(_("最多 %(n)s 字") % {"n": LESSON_CHARS}, field="text")
    row = of.lessons.create(text=text, noted_by=by, noted_at=now)
    audit(by, _deed(of, "lesson"), of, now=now, lesson=row.pk)
    return row


@transaction.atomic
def start_next(*, send: MassSend, by: User, now: datetime) -> MassSend:
    """A draft for tomorrow at the same time of day, with the same content and people.

    Raises what a draft raises, such as for a material that has ended.
    """
    if send.is_to_groups:
        raise NotAllowed(_("客户群群发请在新建页重新选择客户群"))
    at = in_corp_zone(send.send_at)
    tomorrow = in_corp_zone(now) + timedelta(days=1)
    content = SendContent(
        title=_("%(title)s（下一次）") % {"title": send.title[:56]},
        send_at=tomorrow.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0),
        **{name: getattr(send, name) for name in _COPIED},
    )
    made = draft_send(content=content, by=by, now=now)
    made.follows = send
    made.save(update_fields=["follows"])
    return made


@transaction.atomic
def start_next_moment(*, moment: Moment, by: User, now: datetime) -> Moment:
    """A draft with the same content for the same hour of the next day that has not begun.

    Raises what a draft raises, such as for a material that has ended.
    """
    wall = next_wall(moment, now=now)
    made = duplicate_moment(moment_id=moment.pk, publish_wall=wall, by=by, now=now)
    made.follows = moment
    made.save(update_fields=["follows"])
    return made


def _deed(of: Subject, what: str) -> str:
    """What the trail calls it."""
    return f"{'moment' if isinstance(of, Moment) else 'send'}.{what}"


def _refuse_unfit(line: CostLine) -> None:
    if not clean_text(line.label):
        raise ReviewRefused(_("请填写成本项目"), field="label")
    if len(line.label) > LABEL_CHARS:
        raise ReviewRefused(_("最多 %(n)s 字") % {"n": LABEL_CHARS}, field="label")
    if not clean_text(line.source):
        raise ReviewRefused(_("请写明数字从哪里来，例如发票号或谁报的"), field="source")
    if len(line.source) > SOURCE_CHARS:
        raise ReviewRefused(_("最多 %(n)s 字") % {"n": SOURCE_CHARS}, field="source")
    by_time = (line.minutes, line.hourly_cents)
    if line.amount_cents is not None and any(value is not None for value in by_time):
        raise ReviewRefused(_("金额和工时只填一种"), field="amount")
    if line.amount_cents is None and any(value is None for value in by_time):
        raise ReviewRefused(_("请填写金额，或填写工时和每小时费用"), field="amount")
    if min(value for value in (line.amount_cents, *by_time) if value is not None) < 0:
        raise ReviewRefused(_("成本不能是负数"), field="amount")
    if line.total_cents > MOST_CENTS:
        raise ReviewRefused(_("金额过大，请核对"), field="amount")
