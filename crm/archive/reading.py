"""Who may read what was said: nobody without role, reason and consent, and never unseen.

The audit entry is written first, in the same transaction; where it cannot be written there is
nothing to read. Messages of customers who did not agree, or no longer agree, do not exist here.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection, models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from crm.agents.access import Permission
from crm.agents.actions import audit
from crm.agents.models import Agent
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.models import ScopedManager, UnscopedAccess
from crm.shared.text import clean_text

if TYPE_CHECKING:
    from crm.agents.models import User

SHORTEST_REASON = 4


def may_read(user: Any) -> bool:
    """Whether the role may read the archive at all."""
    return bool(user.is_authenticated and user.is_active and user.can(Permission.ARCHIVE_READ))


class ReadingRefused(DomainError):
    """The archive stays shut."""

    code = "archive_refused"


def checked_reason(reason: str) -> str:
    """The reason as it is written down; raises ReadingRefused for none."""
    if len(reason := clean_text(reason, limit=200)) < SHORTEST_REASON:
        raise ReadingRefused(_("请写明查阅原因，至少 4 个字"), field="reason")
    return reason


class ArchivedMessageQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "ArchivedMessageQuerySet":
        """For reviewers (合规) what lies in their scope, nothing for anybody else, administrators
        included.
        """
        if not may_read(user):
            return self.none()
        agents, customers = Agent.objects.for_user(user), Customer.objects.for_user(user)
        return self.consented().filter(
            Q(agent__isnull=True) | Q(agent__in=agents),
            Q(customer__isnull=True) | Q(customer__in=customers),
        )

    def consented(self) -> "ArchivedMessageQuerySet":
        """Between colleagues, or with a customer whose last word on the archive is yes.

        In groups a customer's consent covers what that customer said. Of what is still sealed
        nobody knows who said it, so nobody has agreed.
        """
        said_yes = apps.get_model("crm", "ArchiveConsent").objects.filter(
            customer_id=OuterRef("customer_id"), agreed=True
        )
        single = Exists(said_yes.filter(agent_id=OuterRef("agent_id"), group__isnull=True))
        group = Exists(said_yes.filter(group_id=OuterRef("group_id"), agent__isnull=True))
        return self.filter(
            Q(customer__isnull=True) | (Q(room="") & single) | (~Q(room="") & group),
            sealed__isnull=True,
        )


class ArchiveReadingQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "ArchiveReadingQuerySet":
        """One's own: a reason is given by a person, not for others."""
        return self.filter(reader=user) if may_read(user) else self.none()


class ArchiveManager(ScopedManager):
    """The only door to what was said."""

    def for_user(self, user: Any) -> models.QuerySet:
        raise UnscopedAccess("ArchivedMessage.objects: use reading(user, reason=…, now=…)")

    def reading(
        self, user: "User", *, reason: str, now: datetime, **looked_for: Any
    ) -> ArchivedMessageQuerySet:
        """What the user may read, after the audit entry that says why and what was looked for.

        Call it inside a transaction and read the rows before it ends: entry and rows share it.
        Raises ReadingRefused without the role or a reason.
        """
        if not connection.in_atomic_block:
            raise UnscopedAccess("ArchivedMessage.objects.reading: only inside a transaction")
        if not may_read(user):
            raise ReadingRefused(_("只有合规人员可以查阅会话存档"))
        reason = checked_reason(reason)
        audit(user, "archive.read", reason=reason, now=now, **looked_for)
        return self.model.unsafe_all.visible_to(user)
