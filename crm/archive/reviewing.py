"""A reviewer reads: says why and what is looked for, then page by page, each written down first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from crm.agents.models import Agent, User
from crm.archive.models import ArchivedMedia, ArchivedMessage, ArchiveReading
from crm.archive.reading import ArchivedMessageQuerySet, ReadingRefused, checked_reason, may_read
from crm.archive.words import is_known, kind_words
from crm.customers.models import Customer
from crm.groups.models import Group
from crm.shared.paging import Page, keyset_page
from crm.shared.text import clean_text
from crm.shared.times import day_end, day_start

LONGEST_DAYS = 92
PAGE_ROWS = 50
KEPT_AT_HAND = timedelta(days=7)


class AuditUnavailable(ReadingRefused):
    """The audit entry could not be written, so there is nothing to read."""

    code = "audit_unavailable"


@dataclass(frozen=True)
class FileLine:
    """A file of a message as the page offers it; only one that is whole can be opened."""

    id: int
    name: str
    size: int | None
    state: str
    is_whole: bool


@dataclass(frozen=True)
class Line:
    """One message as it is read. ``raw`` is the original of kinds whose words we cannot tell."""

    at: datetime
    who: str
    by_customer: bool
    room: str
    kind: str
    text: str
    revoked_at: datetime | None
    files: list[FileLine]
    raw: object | None


@transaction.atomic
def begin_reading(
    *,
    reason: str,
    first: date,
    last: date,
    customer: Customer | None = None,
    agent: Agent | None = None,
    group: Group | None = None,
    words: str = "",
    by: User,
    now: datetime,
) -> ArchiveReading:
    """Write down why and what somebody wants to read; nothing is shown yet.

    Raises ReadingRefused without the role, a reason, somebody or something to look for, or for days
    in the wrong order or too many of them.
    """
    if not may_read(by):
        raise ReadingRefused(_("只有合规人员可以查阅会话存档"))
    words = clean_text(words, limit=64)
    if not (customer or agent or group or words):
        raise ReadingRefused(_("请写明要查的客户、员工、客户群或文字"))
    if last < first:
        raise ReadingRefused(_("结束日期早于开始日期"), field="last")
    if (last - first).days >= LONGEST_DAYS:
        raise ReadingRefused(
            _("一次最多查阅 %(n)s 天，请缩小日期范围") % {"n": LONGEST_DAYS}, field="first"
        )
    return ArchiveReading.unsafe_all.create(
        reader=by,
        reason=checked_reason(reason),
        customer=customer,
        agent=agent,
        group=group,
        words=words,
        first=first,
        last=last,
        began_at=now,
    )


def read_page(
    *, reading: ArchiveReading, params: Mapping[str, str], by: User, now: datetime
) -> tuple[Page, list[Line]]:
    """One page of what was looked for, oldest first, after its audit entry.

    Raises ReadingRefused where the reading is over, AuditUnavailable where nobody could write down
    that it was read.
    """
    place = {name: params[name][:600] for name in ("after", "before") if name in params}
    try:
        with transaction.atomic():
            found = _open(reading, by, now, **place)
            page = keyset_page(found, order=("said_at",), params=params, size=PAGE_ROWS)
            return page, [_line(message) for message in page]
    except DatabaseError as error:
        raise _unavailable() from error


def open_file(
    *, reading: ArchiveReading, media_id: int, by: User, now: datetime
) -> ArchivedMedia | None:
    """A whole file of a message within the reading; None for any other. Audited like a page."""
    try:
        with transaction.atomic():
            found = _open(reading, by, now, media=media_id)
            whole = ArchivedMedia.objects.filter(state=ArchivedMedia.State.DONE)
            return whole.filter(pk=media_id, message__in=found).first()
    except DatabaseError as error:
        raise _unavailable() from error


def _unavailable() -> AuditUnavailable:
    return AuditUnavailable(_("审计记录写不进去，现在不能查阅会话存档。请联系管理员。"))


def _open(
    reading: ArchiveReading, by: User, now: datetime, **more: object
) -> ArchivedMessageQuerySet:
    """The messages of a reading; first of all what is read, by whom and why is written down."""
    if reading.reader_id != by.pk or reading.is_over(now):
        raise ReadingRefused(_("查阅已超过 30 分钟，请重新写明原因"))
    wanted = {
        "customer": reading.customer_id,
        "agent": reading.agent_id,
        "group": reading.group_id,
        "words": reading.words,
        "days": f"{reading.first}/{reading.last}",
    }
    looked_for = {name: value for name, value in wanted.items() if value}
    found = ArchivedMessage.objects.reading(
        by, reason=reading.reason, now=now, reading=reading.pk, **looked_for, **more
    )
    return _narrowed(found, reading).select_related("customer", "agent").prefetch_related("media")


def _narrowed(found: ArchivedMessageQuerySet, reading: ArchiveReading) -> ArchivedMessageQuerySet:
    found = found.filter(said_at__gte=day_start(reading.first), said_at__lt=day_end(reading.last))
    for name in ("customer_id", "agent_id", "group_id"):
        if (value := getattr(reading, name)) is not None:
            found = found.filter(**{name: value})
    return found.filter(text__icontains=reading.words) if reading.words else found


def _line(message: ArchivedMessage) -> Line:
    person = message.customer if message.by_customer else message.agent
    is_told = bool(message.text) or (is_known(message.kind) and bool(message.media.all()))
    return Line(
        at=message.said_at,
        who=(person.name if person else "") or message.sender,
        by_customer=message.by_customer,
        room=message.room,
        kind=kind_words(message.kind),
        text=message.text,
        revoked_at=message.revoked_at,
        files=[_file(media) for media in message.media.all()],
        raw=None if is_told else _body(message),
    )


def _body(message: ArchivedMessage) -> object | None:
    """What the message holds beside the fields that every message has."""
    common = {"msgid", "action", "from", "tolist", "roomid", "msgtime", "msgtype"}
    return {k: v for k, v in (message.content or {}).items() if k not in common} or None


def _file(media: ArchivedMedia) -> FileLine:
    return FileLine(
        id=media.pk,
        name=media.name or kind_words(media.kind),
        size=media.size,
        state=media.get_state_display(),
        is_whole=media.state == ArchivedMedia.State.DONE,
    )


def own_readings(user: User, *, now: datetime) -> list[tuple[ArchiveReading, bool]]:
    """A reviewer's readings of the last week, newest first, and whether each is still open."""
    rows = ArchiveReading.objects.for_user(user).filter(began_at__gt=now - KEPT_AT_HAND)
    rows = rows.select_related("customer", "agent", "group")[:20]
    return [(row, not row.is_over(now)) for row in rows]
