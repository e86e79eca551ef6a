"""Who waits for an answer: one row for each customer and agent who ever wrote to one another.

Triggers on the facts keep the rows (migration ``talks``): whichever order facts come in, and when
they go, a row says what they say. Pages would else look through every message of a week.
"""

from datetime import datetime

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent
from crm.customers.models import Contact, Customer


class TalkQuerySet(models.QuerySet):
    def waiting(self, since: datetime) -> "TalkQuerySet":
        """Friends whose words to the agent, said at ``since`` or later, stand without an answer."""
        # Looked up row by row: as a condition the planner reads every relation there is.
        status = Contact.unsafe_all.filter(
            customer_id=OuterRef("customer_id"), agent_id=OuterRef("agent_id")
        ).values("status")
        unanswered = self.filter(unanswered_since__isnull=False, received_at__gte=since)
        return unanswered.alias(relation=Subquery(status)).filter(relation=Contact.Status.ACTIVE)


class Talk(models.Model):
    """对话: the last words of either side, and since when those of the customer are unanswered."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_index=False)
    received_at = models.DateTimeField(_("客户最近发言"), null=True)
    sent_at = models.DateTimeField(_("员工最近回复"), null=True)
    unanswered_since = models.DateTimeField(_("等待回复自"), null=True)

    unsafe_all = TalkQuerySet.as_manager()

    class Meta:
        verbose_name = _("对话")
        verbose_name_plural = _("对话")
        constraints = [
            models.UniqueConstraint(fields=["customer", "agent"], name="one_talk_per_pair")
        ]
        indexes = [
            models.Index(
                fields=["agent", "received_at"],
                include=["customer"],
                condition=Q(unanswered_since__isnull=False),
                name="talk_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}–{self.agent_id}"
