"""What goes out when, over all channels, and where the plan itself shows a clash."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.acquisition.models import WelcomeSent
from crm.agents.access import Permission
from crm.agents.models import User
from crm.faces.models import Face
from crm.moments import calendar as moments
from crm.moments import policies as moment_policies
from crm.moments.models import Moment
from crm.outreach import policies as send_policies
from crm.outreach.models import MassSend
from crm.outreach.queries import SEND_LEVELS
from crm.planner.faces import posted_by, sent_for
from crm.planner.occasions import Occasion, occasions
from crm.shared.calendars import Calendar, lay_out, span
from crm.shared.formatting import day as day_words
from crm.shared.times import corp_zone, day_end, day_start
from crm.slots.models import SlotDate
from crm.slots.queries import SlotDay, slot_days

MOMENT, SEND, GROUP_POST, SLOT = "moment", "send", "group_post", "slot"
CHANNELS = {
    MOMENT: gettext_lazy("朋友圈"),
    SEND: gettext_lazy("群发"),
    GROUP_POST: gettext_lazy("客户群群发"),
    SLOT: gettext_lazy("固定栏目"),
}
_ROOMS = {MOMENT: "moments", SLOT: "slots"}
# WeCom shows a customer at most so many posts of ours a day.
MOMENTS_A_DAY = 3
MISSED = gettext_lazy("已错过")
_MOVABLE = (Moment.State.DRAFT, Moment.State.WAITING, Moment.State.APPROVED)


@dataclass(frozen=True)
class Entry:
    """One thing that goes out. ``movable``: it has not begun and the viewer may move it.

    ``is_of_slot``: a post that stands where its slot wants it. A date of a slot has an entry of its
    own where it is empty, where its post moved away, or where the viewer may not see the post.
    """

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
    is_of_slot: bool = False

    @property
    def channel_label(self) -> str | Promise:
        """What it goes out by, and whether it is one of a row."""
        label = CHANNELS[self.channel]
        return f"{label} · {CHANNELS[SLOT]}" if self.is_of_slot else label

    @property
    def short_label(self) -> str | Promise:
        """The same where there is little room."""
        return CHANNELS[SLOT if self.is_of_slot else self.channel]

    @property
    def time(self) -> str:
        """The time of day, in the corporation's zone."""
        return f"{self.at.astimezone(corp_zone()):%H:%M}"

    @property
    def href(self) -> str:
        """Its own page."""
        room = _ROOMS.get(self.channel, "outreach")
        return reverse(f"crm:{room}:detail", args=[self.id])


@dataclass(frozen=True)
class Note:
    """What a day bears besides its entries: its occasion, clashes, and welcomes sent."""

    occasion: Occasion
    clashes: tuple[str, ...]
    welcomes: int


def read_calendar(
    user: User,
    *,
    view: str,
    on: date,
    channels: Sequence[str],
    now: datetime,
    face: Face | None = None,
) -> Calendar:
    """A month or a week of everything that the user may see, of one face or of all.

    However much there is, it is asked for in six queries.
    """
    first, last = span(view, on)
    found = entries(user, first=first, last=last, channels=channels, now=now, face=face)
    days, greeted = occasions(first, last), welcomes(user, first=first, last=last, face=face)

    def note(day: date, there: Sequence[Entry]) -> Note:
        return Note(days[day], clashes(there), greeted.get(day, 0))

    return lay_out(found, view=view, on=on, now=now, extra=note)


def entries(
    user: User,
    *,
    first: date,
    last: date,
    channels: Sequence[str],
    now: datetime,
    face: Face | None = None,
) -> list[Entry]:
    """Everything that goes out on these days, earliest first; no channel named means all."""
    wanted = [name for name in channels if name in CHANNELS] or list(CHANNELS)
    days = slot_days(first=first, last=last, now=now, face_id=face.pk if face else 0)
    found: list[Entry] = []
    if {MOMENT, SLOT} & set(wanted) and user.can(Permission.MOMENT_VIEW):
        posts = _moments(user, first, last, now, days, face)
        found += [post for post in posts if MOMENT in wanted or post.is_of_slot]
    if SLOT in wanted:
        shown = {post.id for post in found if post.is_of_slot}
        found += [_slot_entry(day) for day in days if _stands_alone(day, shown, first, last)]
    if {SEND, GROUP_POST} & set(wanted) and user.can(Permission.SEND_VIEW):
        found += [one for one in _sends(user, first, last, now, face) if one.channel in wanted]
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
    times = sorted(entry.at for entry in live if entry.channel in (SEND, GROUP_POST))
    if any(after - before < timedelta(hours=1) for before, after in pairwise(times)):
        words.append(_("有群发相隔不到一小时"))
    return tuple(words)


def welcomes(user: User, *, first: date, last: date, face: Face | None = None) -> dict[date, int]:
    """How many welcomes reached somebody, by day; within the user's scope."""
    sent = WelcomeSent.objects.for_user(user).filter(
        outcome=WelcomeSent.Outcome.SENT,
        happened_at__gte=day_start(first),
        happened_at__lt=day_end(last),
    )
    if face is not None:
        sent = sent.filter(agent__in=face.members.values("agent_id"))
    by_day = sent.annotate(day=TruncDate("happened_at", tzinfo=corp_zone())).values("day")
    return dict(by_day.annotate(n=Count("pk")).values_list("day", "n"))


def _moments(
    user: User,
    first: date,
    last: date,
    now: datetime,
    days: Sequence[SlotDay],
    face: Face | None,
) -> list[Entry]:
    rows = Moment.objects.for_user(user).filter(
        publish_at__gte=day_start(first), publish_at__lt=day_end(last)
    )
    of_slot = {day.moment_id: day for day in days if day.moment_id}
    if face is not None:
        rows = rows.filter(posted_by(face) | Q(pk__in=of_slot))
    rows = rows.only("title", "publish_at", "state", "version")
    return [_moment_entry(row, of_slot.get(row.pk), user, now) for row in rows]


def _moment_entry(row: Moment, day: SlotDay | None, user: User, now: datetime) -> Entry:
    is_at_home = day is not None and day.moment_at is not None and not day.has_moved
    missed = _missed(row.state, row.publish_at, now)
    # Nobody has published it by the end of its day: for the slot that is as good as nothing.
    missed = missed or (is_at_home and day.standing == SlotDate.Standing.MISSED)
    return Entry(
        channel=MOMENT,
        id=row.pk,
        version=row.version,
        title=row.title,
        at=row.publish_at,
        state_label=MISSED if missed else Moment.State(row.state).label,
        level="bad" if missed else moments.LEVELS.get(row.state, ""),
        is_missed=missed,
        movable=row.state in _MOVABLE and moment_policies.can_edit_moment(user, row),
        is_of_slot=is_at_home,
    )


def _stands_alone(day: SlotDay, shown: Collection[int], first: date, last: date) -> bool:
    return first <= day.on <= last and day.moment_id not in shown


def _slot_entry(day: SlotDay) -> Entry:
    words = day.words
    if day.has_moved:
        moved = _("已移到 %(day)s") % {"day": day_words(day.moment_at)}
        words = f"{words} · {moved}"
    return Entry(
        channel=SLOT,
        id=day.slot_id,
        version=0,
        title=day.name,
        at=day.due_at,
        state_label=words,
        level=day.level,
        is_missed=day.standing == SlotDate.Standing.MISSED,
        movable=False,
    )


def _sends(user: User, first: date, last: date, now: datetime, face: Face | None) -> list[Entry]:
    rows = MassSend.objects.for_user(user).filter(
        send_at__gte=day_start(first), send_at__lt=day_end(last)
    )
    if face is not None:
        rows = rows.filter(sent_for(face))
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
