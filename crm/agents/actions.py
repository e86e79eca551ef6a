"""Writing down who did what; keeping departments and agents as WeCom says they are."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from crm.agents.access import Permission
from crm.agents.models import Agent, ApiToken, AuditEntry, Department, User
from crm.shared.text import clean_text


def audit(
    by: User | None,
    action: str,
    obj: models.Model | None = None,
    *,
    reason: str = "",
    now: datetime | None = None,
    **details: Any,
) -> AuditEntry:
    """Append one audit entry in the caller's transaction; no entry, no deed."""
    return AuditEntry.objects.create(
        at=now or timezone.now(),
        actor=by,
        actor_name=by.get_full_name() if by else "system",
        action=action,
        object_type=obj._meta.model_name if obj is not None else "",
        object_id=str(obj.pk) if obj is not None else "",
        reason=clean_text(reason, limit=255),
        details=details,
    )


def issue_token(
    *, user: User, name: str, permissions: list[Permission], expires_at: datetime, by: User | None
) -> tuple[ApiToken, str]:
    """A new API token and its secret, which is shown once and kept only as a hash."""
    prefix, secret = "ck" + secrets.token_hex(4), secrets.token_urlsafe(32)
    key = f"{prefix}.{secret}"
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=prefix,
        key_hash=hash_key(key),
        permissions=[p.name for p in permissions],
        expires_at=expires_at,
    )
    audit(by, "token.issue", token, permissions=token.permissions)
    return token, key


@transaction.atomic
def revoke_token(*, token: ApiToken, by: User | None, now: datetime) -> bool:
    """Make the token useless at once; returns whether it was still good."""
    live = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
    if not live.update(revoked_at=now, updated_at=now):
        return False
    audit(by, "token.revoke", token, now=now)
    return True


def hash_key(key: str) -> str:
    """What is stored of a token: SHA-256, enough for 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def apply_departments(rows: list[dict[str, Any]], *, now: datetime) -> int:
    """Make the department tree equal to a *complete* list from WeCom; returns rows changed.

    Rows are ``{id, name, parentid, order}``. Departments missing from the list are switched off,
    never deleted: history points at them.
    """
    by_id = {int(row["id"]): row for row in rows}
    known = {d.wecom_id: d for d in Department.objects.all()}
    changed = 0
    for wecom_id in sorted(by_id, key=lambda i: _depth(i, by_id)):
        row = by_id[wecom_id]
        department = known.get(wecom_id) or Department(wecom_id=wecom_id)
        parent = known.get(int(row.get("parentid") or 0))
        values = {
            "name": clean_text(row["name"], limit=128),
            "parent": parent,
            "order": int(row.get("order") or 0),
            "is_active": True,
            "path": f"{parent.path if parent else '/'}{wecom_id}/",
        }
        if department.pk is None or any(getattr(department, k) != v for k, v in values.items()):
            for key, value in values.items():
                setattr(department, key, value)
            department.save()
            changed += 1
        known[wecom_id] = department
    gone = Department.objects.exclude(wecom_id__in=by_id).filter(is_active=True)
    return changed + gone.update(is_active=False, updated_at=now)


def _depth(wecom_id: int, rows: dict[int, dict[str, Any]]) -> int:
    depth = 0
    while wecom_id in rows and depth < 32:
        wecom_id, depth = int(rows[wecom_id].get("parentid") or 0), depth + 1
    return depth


_STATUS = {
    1: Agent.Status.ACTIVE,
    2: Agent.Status.DISABLED,
    4: Agent.Status.NOT_ACTIVATED,
    5: Agent.Status.LEFT,
}


def apply_agent(row: dict[str, Any], *, now: datetime) -> Agent:
    """Insert or update one agent from WeCom's ``user/list`` shape."""
    departments = row.get("department") or []
    main = row.get("main_department") or (departments[0] if departments else None)
    leaders = row.get("is_leader_in_dept") or []
    agent = Agent.unsafe_all.filter(userid=row["userid"]).first() or Agent(userid=row["userid"])
    agent.name = clean_text(row.get("name") or row["userid"], limit=64)
    agent.department = Department.objects.filter(wecom_id=main).first() if main else None
    agent.position = clean_text(row.get("position") or "", limit=64)
    agent.is_leader = any(leaders)
    agent.status = _STATUS.get(int(row.get("status") or 1), Agent.Status.ACTIVE)
    if agent.status == Agent.Status.LEFT and agent.left_at is None:
        agent.left_at = now
    agent.synced_at = now
    agent.save()
    return agent


def retire_missing_agents(present: set[str], *, now: datetime) -> int:
    """Mark agents as left that a *complete* directory no longer names; returns how many."""
    gone = Agent.unsafe_all.active().exclude(userid__in=present)
    return gone.update(status=Agent.Status.LEFT, left_at=now, synced_at=now, updated_at=now)


def retire_agent(*, userid: str, at: datetime, now: datetime) -> bool:
    """Mark one agent as left since ``at``; False where nobody of that number is here."""
    here = Agent.unsafe_all.active().filter(userid=userid)
    return bool(here.update(status=Agent.Status.LEFT, left_at=at, synced_at=now, updated_at=now))


def rename_agent(*, userid: str, new_userid: str, now: datetime) -> bool:
    """Give an agent another WeCom number; their customers and history stay theirs.

    False where it has been done already, or nobody of the old number is here.
    """
    if Agent.unsafe_all.filter(userid=new_userid).exists():
        return False
    here = Agent.unsafe_all.filter(userid=userid)
    return bool(here.update(userid=new_userid, synced_at=now, updated_at=now))
