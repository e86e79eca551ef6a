"""Results and reviews of sends in a real browser: links, groups, and the time before."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.links.actions import address_of, make_link
from crm.links.models import LinkClick
from crm.outreach.models import MassSend
from tests import factories
from tests.analytics.send_world import add_people, made_send, told
from tests.browser.conftest import assert_accessible, assert_fits, shot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sends(transactional_db) -> dict[str, MassSend]:
    """A send with a link that follows another one, and a post in two groups."""
    user = factories.make_user(Role.OPERATOR)
    agent = factories.make_agent(name="王芳", department=factories.make_department())
    link = make_link(target="https://a.example/1", title="三亚", by=user, now=timezone.now())
    last = made_send(percent=0, text="早上好")
    send = made_send(percent=0, text=f"早鸟 {address_of(link)}", follows=last)
    for one, number in ((last, 6), (send, 12)):
        people = add_people(one, agent, number)
        told(people[0], "order_paid", one, 1, amount_cents=320_000)
    for friend in people[:5]:
        told(friend, "friend_deleted_by_customer", send, 1, agent_id=agent.pk)
    LinkClick.objects.create(link=link, at=send.send_at + timedelta(hours=3), visitor="a")
    post = made_send(percent=0, target="groups", text=f"秋游 {address_of(link)}")
    for _n in range(2):
        opened_at = timezone.now() - timedelta(days=90)
        group = factories.make_group(agent, opened_at=opened_at)
        post.recipients.create(
            group=group, agent=agent, state="done", result=1, sent_at=post.send_at
        )
    return {"send": send, "post": post}


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [("wide", "zh-hans", "light"), ("phone", "zh-hans", "dark"), ("phone", "en", "light")],
)
def test_results_and_review_fit_and_are_accessible(page_for, sends, size, language, theme):
    page = page_for(factories.make_user(Role.OPERATOR), size=size, language=language, theme=theme)
    for name, view in (("send", "send"), ("send", "review"), ("post", "send")):
        page.goto(reverse(f"analytics:results:{view}", args=[sends[name].pk]))
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"results-{name}-{view}-{size}-{language}-{theme}", full=True)
