"""The queue's pace: what was done in each minute of the last hour, within the scope."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.outbox.models import OutboxItem
from crm.outbox.throughput import throughput
from crm.outreach.models import MassBatch, MassSend
from crm.tagging.models import TagBatch
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def done(subject, kind: str, at, n: int = 1, state: str = "done") -> list[OutboxItem]:
    before = OutboxItem.unsafe_all.count()
    return OutboxItem.unsafe_all.bulk_create(
        OutboxItem(
            kind=kind, key=f"{kind}:{before + number}", subject_id=subject.pk, state=state,
            subject_type=subject._meta.model_name, due_at=at, finished_at=at,
        )
        for number in range(n)
    )  # fmt: skip


def test_every_minute_counts_its_own_items_by_kind(operator):
    now = timezone.now().replace(second=30)
    batch = TagBatch.unsafe_all.create(created_by=operator)
    done(batch, "tag", now, 3)
    done(batch, "tag", now - timedelta(minutes=2), 2)
    done(batch, "corp_tag", now - timedelta(minutes=2), 1)
    done(batch, "tag", now - timedelta(minutes=2), 9, state="failed")
    done(batch, "tag", now - timedelta(minutes=61), 9)
    found = throughput(operator, now=now)
    assert found.counts["tag"][-1] == 3
    assert found.counts["tag"][-3] == 2
    assert found.counts["corp_tag"][-3] == 1
    assert (found.total, found.busiest) == (6, 3)
    assert [total for _minute, _values, total in found.rows] == [3, 3]


def test_what_others_may_see_alone_is_not_counted(operator):
    done(TagBatch.unsafe_all.create(created_by=operator), "tag", timezone.now())
    lead = factories.make_user(Role.LEAD, departments=[factories.make_department()])
    assert throughput(lead, now=timezone.now()).total == 0


def test_the_page_shows_the_pace_with_a_table_and_items_lead_to_their_send(client, operator):
    send = MassSend.unsafe_all.create(
        title="早安", send_at=timezone.now(), state="sent", content_hash="-", approved_hash="-"
    )
    agent = factories.make_agent()
    batch = MassBatch.unsafe_all.create(send=send, agent=agent, number=0, size=1, state="done")
    (item,) = done(batch, "mass_send", timezone.now())
    page = client.get(reverse("crm:outbox:list")).content.decode()
    assert "近一小时完成 1 项，最快一分钟 1 项" in page
    assert "有完成的分钟" in page
    detail = client.get(reverse("crm:outbox:detail", args=[item.pk])).content.decode()
    assert reverse("crm:outreach:detail", args=[send.pk]) in detail
    back = client.get(reverse("crm:outreach:detail", args=[send.pk])).content.decode()
    assert reverse("crm:outbox:detail", args=[item.pk]) in back
