"""Results of a send, a post and a trial of words in a real browser, wide and phone."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.acquisition.actions import try_welcome
from crm.acquisition.models import Welcome
from crm.agents.access import Role
from crm.moments.models import Moment, MomentTask
from crm.trials.models import Assignment, Trial
from crm.trials.variants import TrialPlan, assign
from tests.analytics.send_world import add_people, made_send, told
from tests.browser.conftest import assert_accessible, assert_fits, shot
from tests.factories import make_agent, make_fact, make_friend, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def house() -> dict[str, object]:
    """A send at its fourth look, a post and a welcome whose trials are over."""
    agent, operator = make_agent(name="李婷"), make_user(Role.OPERATOR)
    send = made_send(days_ago=4.5, percent=33)
    for one in add_people(send, agent, 60)[:30]:
        told(one, "order_paid", send, 0.5, amount_cents=128_00)
    add_people(send, agent, 30, held=True)
    start = timezone.now() - timedelta(days=10)
    trial = Trial.unsafe_all.create(salt="s", control_percent=50, drawn_at=start)
    moment = Moment.unsafe_all.create(
        title="三亚早鸟", publish_at=start, publish_wall="10:00", content_hash="x", state="done",
        control_percent=50, trial=trial,
    )  # fmt: skip
    MomentTask.unsafe_all.create(moment=moment, agent=agent, is_published=True, published_at=start)
    Assignment.unsafe_all.bulk_create(
        Assignment(trial=trial, customer=make_friend(agent), arm=n % 2, agent=agent, at=start)
        for n in range(20)
    )
    welcome = Welcome.objects.create(name="默认欢迎语", text="您好", is_default=True)
    plan = TrialPlan("默认欢迎语", "您好", ("欢迎您", "很高兴认识您，有事随时找我"), 30, 50)
    words = try_welcome(welcome=welcome, plan=plan, by=operator, now=start)
    for _n in range(60):
        one = make_friend(agent)
        if assign(trial=words, customer_id=one.pk, agent=agent, now=start).number == 2:
            make_fact(one, "message_received", start + timedelta(hours=1), agent_id=agent.pk)
    return {"user": operator, "send": send, "moment": moment, "welcome": welcome, "words": words}


@pytest.mark.parametrize(
    ("size", "language", "theme"),
    [("wide", "zh-hans", "light"), ("phone", "zh-hans", "dark"), ("phone", "en", "light")],
)
def test_pages_of_trials_fit_and_are_accessible(page_for, house, size, language, theme):
    page = page_for(house["user"], size=size, language=language, theme=theme)
    pages = {
        "send": reverse("analytics:results:send", args=[house["send"].pk]),
        "moment": reverse("analytics:results:moment", args=[house["moment"].pk]),
        "words": reverse("analytics:results:trial", args=[house["words"].pk]),
        "welcome": reverse("crm:acquisition:trial", args=[house["welcome"].pk]),
        "compose": reverse("crm:moments:new"),
    }
    for name, address in pages.items():
        page.goto(address)
        assert_fits(page)
        assert_accessible(page)
        shot(page, f"trials-{name}-{size}-{language}-{theme}", full=True)
