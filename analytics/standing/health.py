"""The proof of the standing figures on the page of sync health: when it was, and what it found."""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics.standing.models import StandingProof
from crm.sync.feeds import FEEDS, Feed, FeedState

EVERY = timedelta(days=1)
LATE_AFTER = timedelta(days=2)


def proof_state(now: datetime) -> FeedState | None:
    """The last proof; None before the first. Drift is an error until a later proof finds none."""
    proofs = StandingProof.objects.exclude(finished_at=None)
    if (last := proofs.first()) is None:
        return None
    words = _("%(n)s 处与事实不一致，已改正") if last.is_repaired else _("%(n)s 处与事实不一致")
    return FeedState(
        last_success_at=last.finished_at,
        late_after=LATE_AFTER,
        next_due_at=last.started_at + EVERY,
        seconds=(last.finished_at - last.started_at) / timedelta(seconds=1),
        rows=last.customers,
        error=words % {"n": last.total_drift} if last.total_drift else "",
    )


def report() -> None:
    """Stand among the objects of the health page."""
    FEEDS.append(Feed("standing", gettext_lazy("常备数字对账"), proof_state))
