"""What tests of slots need: faces, materials, slots, and what becomes of their posts."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import count

from crm.content.models import Material
from crm.faces.actions import FaceContent, save_face
from crm.faces.models import Face
from crm.moments.actions import reschedule_moment
from crm.moments.models import Moment, MomentTask
from crm.slots.actions import SlotContent, save_slot
from crm.slots.filling import standing, with_posts
from crm.slots.models import PostSlot
from tests.factories import make_agent, make_tag

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)  # A Friday, ten o'clock in Shanghai.
TODAY = date(2026, 11, 20)
_serial = count(1)


def a_face(by, **values) -> Face:
    n = next(_serial)
    plain = {"name": f"小客服{n}", "tone": "叔叔阿姨", "agents": (make_agent(),)} | values
    if "audience" not in plain:
        plain.setdefault("tag", make_tag())
    return save_face(content=FaceContent(**plain), by=by, now=NOW)


def materials(by, n: int, **values) -> list[Material]:
    plain = {"kind": "text", "tier": "company", "topic": "早安", "owner": by}
    return [
        Material.unsafe_all.create(**plain | {"title": f"早安{i}", "text": f"早安 {i}"} | values)
        for i in range(n)
    ]


def a_slot(by, face, *, now: datetime = NOW, **values) -> PostSlot:
    plain = {
        "name": "早安问候",
        "face": face,
        "weekdays": tuple(range(7)),
        "at": time(8),
        "reuse_days": 3,
        "topic": "早安",
    }
    return save_slot(content=SlotContent(**plain | values), by=by, now=now)


def day(n: int) -> date:
    return TODAY + timedelta(days=n)


def at(n: float) -> datetime:
    return NOW + timedelta(days=n)


def standings(slot: PostSlot, now: datetime) -> dict[date, str]:
    return {row.on: str(standing(row, now=now)) for row in with_posts(slot.dates.all())}


def published(post: Moment) -> None:
    Moment.unsafe_all.filter(pk=post.pk).update(state="publishing")
    agent = post.senders.first()
    MomentTask.unsafe_all.create(moment=post, agent=agent, is_published=True, published_at=NOW)


def moved(post: Moment, wall: str, *, by, now: datetime) -> Moment:
    return reschedule_moment(
        moment_id=post.pk,
        version=post.version,
        publish_wall=datetime.fromisoformat(wall),
        by=by,
        now=now,
    )


def post_of(slot: PostSlot, on: date) -> Moment:
    return slot.dates.select_related("moment").get(on=on).moment
