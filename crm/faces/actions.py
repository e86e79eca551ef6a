"""Writing persona accounts, laying them aside and taking them up again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import Agent, User
from crm.audiences.models import Audience
from crm.customers.models import Channel, Tag
from crm.faces.models import Face, FaceAgent
from crm.shared.errors import DomainError
from crm.shared.text import clean_text

NAME_CHARS, TONE_CHARS = 32, 1000
_UNIQUE = {
    "one_live_face_of_an_agent": "agents",
    "one_live_face_of_a_name": "name",
}


class FaceRefused(DomainError):
    """A persona account cannot be kept as it was written."""

    code = "face_refused"


class StaleFace(DomainError):
    """Somebody else changed it in the meantime; views answer 409."""

    code = "stale"


@dataclass(frozen=True)
class FaceContent:
    """A persona account as a person writes it: for one tag, or for one audience."""

    name: str
    tone: str
    agents: tuple[Agent, ...]
    topic: str = ""
    tag: Tag | None = None
    audience: Audience | None = None
    channels: tuple[Channel, ...] = ()


def save_face(
    *, content: FaceContent, by: User, now: datetime, face: Face | None = None, version: int = 0
) -> Face:
    """Write a new one or change one; raises FaceRefused naming the field, or StaleFace.

    Its agents beyond the actor's scope stay as they are.
    """
    _refuse_unfit(content)
    try:
        with transaction.atomic():
            return _save(content, face, version, by=by, now=now)
    except IntegrityError as broken:
        raise _taken(broken) from broken


def _save(
    content: FaceContent, face: Face | None, version: int, *, by: User, now: datetime
) -> Face:
    row = _locked(face, version) if face else Face(created_by=by, version=0)
    before = _told(row) if face else {}
    row.name, row.tone = clean_text(content.name), clean_text(content.tone)
    row.topic = clean_text(content.topic, limit=32)
    row.tag, row.audience, row.updated_by = content.tag, content.audience, by
    row.version += 1
    row.save()
    wanted = {agent.pk for agent in content.agents} | _unseen(row, by)
    if not wanted:
        raise FaceRefused(_("请至少选择一位员工"), field="agents")
    _refuse_taken_channels(row, content.channels)
    row.channels.set(content.channels)
    row.members.exclude(agent_id__in=wanted).delete()
    known = set(row.members.values_list("agent_id", flat=True))
    FaceAgent.objects.bulk_create(
        FaceAgent(face=row, agent_id=pk, is_live=not row.is_archived)
        for pk in sorted(wanted - known)
    )
    audit(by, "face.save", row, now=now, before=before, after=_told(row))
    return row


@transaction.atomic
def archive_face(*, face: Face, version: int, by: User, now: datetime) -> None:
    """It greets nobody any more and its agents are free for another; it stays readable."""
    row = _locked(face, version)
    row.is_archived, row.updated_by = True, by
    row.version += 1
    row.save()
    row.members.update(is_live=False)
    audit(by, "face.archive", row, now=now)


def restore_face(*, face: Face, version: int, by: User, now: datetime) -> None:
    """Take it up again; raises FaceRefused where its name or an agent works elsewhere by now."""
    try:
        with transaction.atomic():
            row = _locked(face, version)
            _refuse_taken_channels(row, row.channels.all())
            row.is_archived, row.updated_by = False, by
            row.version += 1
            row.save()
            row.members.update(is_live=True)
            audit(by, "face.restore", row, now=now)
    except IntegrityError as broken:
        raise _taken(broken) from broken


def _locked(face: Face, version: int) -> Face:
    row = Face.objects.select_for_update().get(pk=face.pk)
    if row.version != version:
        raise StaleFace(_("别人刚刚改过这个人设客服，请刷新后再改"))
    return row


def _refuse_unfit(content: FaceContent) -> None:
    if not clean_text(content.name):
        raise FaceRefused(_("请填写名称，例如：老友会旅行小客服"), field="name")
    if len(content.name) > NAME_CHARS:
        raise FaceRefused(_("名称最多 %(n)s 字") % {"n": NAME_CHARS}, field="name")
    if not clean_text(content.tone):
        raise FaceRefused(_("请写明语气：写文案的人照着它写"), field="tone")
    if len(content.tone) > TONE_CHARS:
        raise FaceRefused(_("语气最多 %(n)s 字") % {"n": TONE_CHARS}, field="tone")
    if bool(content.tag) == bool(content.audience):
        raise FaceRefused(_("服务谁：请选一个客户标签或一个人群，只选其一"), field="tag")


def _refuse_taken_channels(row: Face, channels: Any) -> None:
    """A way in leads to one face; two saved at the same instant are told apart by their age."""
    taken = Face.objects.live().exclude(pk=row.pk).filter(channels__in=channels)
    if other := taken.first():
        raise FaceRefused(
            _("所选来源渠道已属于“%(name)s”，请先在那里去掉") % {"name": other.name},
            field="channels",
        )


def _unseen(row: Face, by: User) -> set[int]:
    seen = Agent.objects.for_user(by)
    return set(row.members.exclude(agent__in=seen).values_list("agent_id", flat=True))


def _told(row: Face) -> dict[str, Any]:
    return {
        "name": row.name,
        "tone": row.tone,
        "topic": row.topic,
        "tag": row.tag_id,
        "audience": row.audience_id,
        "agents": sorted(row.members.values_list("agent_id", flat=True)),
        "channels": sorted(row.channels.values_list("pk", flat=True)),
    }


def _taken(broken: IntegrityError) -> FaceRefused:
    """A refusal in place of the constraint that was hurt; what nobody foresaw goes on."""
    field = next((name for key, name in _UNIQUE.items() if key in str(broken)), None)
    if field == "agents":
        return FaceRefused(
            _("有员工已在为另一个人设客服工作；一个账号只有一个名字，请先在那里去掉"),
            field=field,
        )
    if field == "name":
        return FaceRefused(_("已有同名的人设客服，请换一个名称"), field=field)
    raise broken
