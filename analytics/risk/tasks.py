"""Learning the risk of deletion anew."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from analytics.risk import learning
from crm.risk.models import RiskModel

PERIOD = timedelta(days=7)


@shared_task
def learn_due() -> str:
    """Once a week: a day more or less teaches nothing."""
    now = timezone.now()
    newest = RiskModel.newest(now)
    if newest is not None and newest.fitted_at > now - PERIOD:
        return ""
    return learning.learn(now=now).verdict
