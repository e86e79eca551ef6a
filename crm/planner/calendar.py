"""What goes out when, over all channels, and where the plan itself shows a clash."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.acquisition.models import WelcomeSent
from crm.agents.access import Permission
from crm.agents.models import User
from crm.moments import calendar as moments
from crm.moments import policies as moment_policies
from crm.moments.models import Moment
from crm.outreach import policies as send_policies
from crm.outreach.models import MassSend
from crm.outreach.queries import SEND_LEVELS
from crm.planner.occasions import Occasion, occasions
from crm.shared.calendars import Calendar, lay_out, span
from crm.shared.times import corp_zone, day_end, day_start

MOMENT, SEND, GROUP_POST = "moment", "send", "group_post"
CHANNELS = {
    MOMENT: gettext_lazy("朋友圈"),
    SEND: gettext_lazy("群发"),
    GROUP_POST: gettext_lazy("客户群群发"),
}
# WeCom shows a customer at most so many posts of ours a day.
MOMENTS_A_DAY = 3
MISSED = gettext_lazy("已错过")
_MOVABLE = (Moment.State.DRAFT, Moment.State.WAITING, Moment.State.APPROVED)


@dataclass(frozen=True)
class Entry:
    """One thing that goes out. ``movable``: it has not begun and the viewer may move it."""

    channel: str
    id: int
    version: int
    title: str
    at: datetime
    state_label: str | Promise
    level: str
    is_missed: bool
    movable: bool
    audience_id: int | None = None

    @property
    def channel_label(self) -> str | Promise:
        return CHANNELS[self.channel]

    @property
    def time(self) -> str:
        """The time of day, in the corporation's zone."""
        return f"{self.at.astimezone(corp_zone()):%H:%M}"

    @property
    def href(self) -> str:
        """Its own page."""
        room = "moments" if self.channel == MOMENT else "outreach"
        return reverse(f"crm:{room}:detail", args=[self.id])


@dataclass(frozen=True)
class Note:
    """What a day bears besides its entries: its occasion, clashes, and welcomes sent."""

    occasion: Occasion
    clashes: tuple[str, ...]
    welcomes: int


def read_calendar(
    user: User, *, view: str, on: date, channels: Sequence[str], now: datetime
) -> Calendar:
    """A month or a week of everything that the user may see, in four queries."""
    first, last = span(view, on)
    found = entries(user, first=first, last=last, channels=channels, now=now)
    days, greeted = occasions(first, last), welcomes(user, first=first, last=last)

    def note(day: date, there: Sequence[Entry]) -> Note:
        return Note(days[day], clashes(there), greeted.get(day, 0))

    return lay_out(found, view=view, on=on, now=now, extra=note)


def entries(
    user: User, *, first: date, last: date, channels: Sequence[str], now: datetime
) -> list[Entry]:
    """Everything that goes out on these days, earliest first; no channel named means all."""
    wanted = [name for name in channels if name in CHANNELS] or list(CHANNELS)
    found: list[Entry] = []
    if MOMENT in wanted and user.can(Permission.MOMENT_VIEW):
        found += _moments(user, first, last, now)
    if user.can(Permission.SEND_VIEW):
        found += [one for one in _sends(user, first, last, now) if one.channel in wanted]
    return sorted(found, key=lambda entry: (entry.at, entry.channel, entry.id))


def clashes(there: Sequence[Entry]) -> tuple[str, ...]:
    """What one day asks too much of the same people, in words."""
    live = [entry for entry in there if not entry.is_missed and entry.level != "bad"]
    words = []
    audiences = Counter(entry.audience_id for entry in live if entry.audience_id)
    if twice := [count for count in audiences.values() if count > 1]:
        words.append(_("同一人群这一天要收到 %(n)s 次群发") % {"n": max(twice)})
    posts = sum(entry.channel == MOMENT for entry in live)
    if posts > MOMENTS_A_DAY:
        words.append(
            _("这一天有 %(n)s 条朋友圈，客户至多看到 %(most)s 条")
            % {"n": posts, "most": MOMENTS_A_DAY}
        )
    times = sorted(entry.at for entry in live if entry.channel != MOMENT)
    if any(after - before < timedelta(hours=1) for before, after in pairwise(times)):
        words.append(_("有群发相隔不到一小时"))
    return tuple(words)


def welcomes(user: User, *, first: date, last: date) -> dict[date, int]:
    """How many welcomes reached somebody, by day; within the user's scope."""
    sent = WelcomeSent.objects.for_user(user).filter(
        outcome=WelcomeSent.Outcome.SENT,
        happened_at__gte=day_start(first),
        happened_at__lt=day_end(last),
    )
    by_day = sent.annotate(day=TruncDate("happened_at", tzinfo=corp_zone())).values("day")
    return dict(by_day.annotate(n=Count("pk")).values_list("day", "n"))


def _moments(user: User, first: date, last: date, now: datetime) -> list[Entry]:
    rows = Moment.objects.for_user(user).filter(
        publish_at__gte=day_start(first), publish_at__lt=day_end(last)
    )
    rows = rows.only("title", "publish_at", "state", "version")
    return [
        Entry(
            channel=MOMENT,
            id=row.pk,
            version=row.version,
            title=row.title,
            at=row.publish_at,
            state_label=MISSED if (missed := _missed(row.state, row.publish_at, now)) else label,
            level="bad" if missed else moments.LEVELS.get(row.state, ""),
            is_missed=missed,
            movable=row.state in _MOVABLE and moment_policies.can_edit_moment(user, row),
        )
        for row in rows
        for label in (Moment.State(row.state).label,)
    ]


def _sends(user: User, first: date, last: date, now: datetime) -> list[Entry]:
    rows = MassSend.objects.for_user(user).filter(
        send_at__gte=day_start(first), send_at__lt=day_end(last)
    )
    rows = rows.only("title", "send_at", "state", "version", "target", "audience_id")
    return [
        Entry(
            channel=GROUP_POST if row.is_to_groups else SEND,
            id=row.pk,
            version=row.version,
            title=row.title,
            at=row.send_at,
            state_label=MISSED if (missed := _missed(row.state, row.send_at, now)) else label,
            level="bad" if missed else SEND_LEVELS.get(row.state, ""),
            is_missed=missed,
            movable=send_policies.can_edit_send(user, row),
            audience_id=row.audience_id,
        )
        for row in rows
        for label in (MassSend.State(row.state).label,)
    ]


def _missed(state: str, at: datetime, now: datetime) -> bool:
    # Its hour came and it had not been approved: nothing went out.
    return state in ("draft", "waiting") and at <= now
