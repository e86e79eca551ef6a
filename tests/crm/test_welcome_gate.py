"""The gate's rule of welcomes: who comes again soon is not greeted again."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from crm.acquisition.actions import Greeting, WelcomeRule, queue_welcome, save_welcome
from crm.acquisition.models import WelcomeSent
from crm.agents.access import Role
from crm.gate.models import TouchRule
from crm.outbox.models import OutboxItem
from tests.factories import make_agent, make_user

pytestmark = pytest.mark.django_db
Outcome, Check = WelcomeSent.Outcome, TouchRule.Check
NOW = timezone.now()


@pytest.fixture
def words(db):
    save_welcome(WelcomeRule(name="默认", text="你好", is_default=True), by=None, now=NOW)


def rule(days: int, code: str = "once", **given) -> TouchRule:
    since = given.pop("valid_from", NOW - timedelta(days=400))
    row = TouchRule(
        code=code, test=Check.AGAIN, channel="welcome", days=days, valid_from=since, **given
    )
    row.full_clean(exclude=["version"])
    row.save()
    return row


def added(code: str, at=NOW, *, who: str = "wmAgain", agent: str = "liting") -> WelcomeSent:
    greeting = Greeting(code=code, userid=agent, external_userid=who, state="", happened_at=at)
    queue_welcome(greeting, now=at)
    return WelcomeSent.unsafe_all.get(code=code)


def told(sent: WelcomeSent) -> tuple:
    return sent.outcome, sent.rule, sent.rule_version


def test_who_deletes_and_adds_again_is_greeted_once(words):
    rule(30)
    assert told(added("a", NOW - timedelta(days=40))) == (Outcome.WAITING, "once", 1)
    WelcomeSent.unsafe_all.update(outcome=Outcome.SENT)
    again = added("b", NOW - timedelta(days=11))
    assert told(again) == (Outcome.AGAIN, "once", 1)
    assert again.finished_at == NOW - timedelta(days=11)
    # What was kept back does not begin another thirty days.
    assert told(added("c", NOW - timedelta(days=9))) == (Outcome.WAITING, "once", 1)
    assert OutboxItem.unsafe_all.filter(kind="welcome").count() == 2


def test_another_agent_or_another_customer_is_another_greeting(words):
    rule(30)
    added("a")
    assert added("b", agent="wangwu").outcome == Outcome.WAITING
    assert added("c", who="wmOther").outcome == Outcome.WAITING


@pytest.mark.parametrize("outcome", [Outcome.LATE, Outcome.FAILED, Outcome.NO_RULE])
def test_whom_no_welcome_reached_is_greeted_the_next_time(words, outcome):
    rule(30)
    added("a")
    WelcomeSent.unsafe_all.update(outcome=outcome)
    assert added("b", NOW + timedelta(days=1)).outcome == Outcome.WAITING


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.USED, Outcome.UNKNOWN])
def test_whom_one_reached_or_may_have_reached_is_not(words, outcome):
    rule(30)
    added("a")
    WelcomeSent.unsafe_all.update(outcome=outcome)
    assert added("b", NOW + timedelta(days=1)).outcome == Outcome.AGAIN


def test_without_a_rule_or_before_its_date_everybody_is_greeted_each_time(words):
    rule(30, valid_from=NOW + timedelta(days=2))
    assert told(added("a")) == told(added("b")) == (Outcome.WAITING, "", None)
    assert told(added("c", NOW + timedelta(days=3))) == (Outcome.AGAIN, "once", 1)


def test_of_two_rules_the_one_that_says_no_is_named(words):
    rule(1, "a-day")
    rule(30, "b-month")
    added("a", NOW - timedelta(days=5))
    assert told(added("b")) == (Outcome.AGAIN, "b-month", 1)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"channel": "welcome", "test": "again"}, "days"),
        ({"channel": "welcome", "test": "stage", "stages": ["fatigue"]}, "test"),
        ({"channel": "send", "test": "again", "days": 3}, "test"),
        (
            {"channel": "welcome", "test": "again", "days": 3, "content_kinds": ["greeting"]},
            "content_kinds",
        ),
        ({"channel": "welcome", "test": "again", "days": 3, "most_percent": 5}, "most_percent"),
    ],
)
def test_a_rule_that_welcomes_cannot_follow_names_the_field(given, field):
    with pytest.raises(ValidationError) as refused:
        TouchRule(code="x", valid_from=NOW, **given).full_clean()
    assert set(refused.value.message_dict) == {field}


def test_the_page_of_welcomes_tells_the_rule_before_and_its_word_after(words, client):
    agent = make_agent(userid="liting")
    client.force_login(make_user(Role.OPERATOR))
    page = reverse("crm:acquisition:welcomes")
    assert "删除后再添加的客户会再收到一次" in client.get(page).content.decode()
    rule(30)
    added("a", agent=agent.userid)
    added("b", agent=agent.userid)
    shown = client.get(page).content.decode()
    assert "30 天内欢迎过的客户不再欢迎" in shown
    assert "触达规则 once 版本 1 放行" in shown and "触达规则 once 版本 1 不放行" in shown
    kept_back = client.get(page, {"outcome": "again"}).content.decode()
    assert "不放行" in kept_back and "版本 1 放行" not in kept_back


# Fifty at once


def greetings_at_once() -> int:
    """Fifty codes of the same two people arrive at the same instant; how many are to be sent."""
    rule(30)
    ready = threading.Barrier(50)

    def go(number: int) -> None:
        try:
            ready.wait()
            added(f"code{number}")
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=[number]) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert WelcomeSent.unsafe_all.count() == 50
    return OutboxItem.unsafe_all.filter(kind="welcome").count()


@pytest.mark.django_db(transaction=True)
def test_of_fifty_codes_at_once_one_is_greeted(words):
    assert greetings_at_once() == 1
    assert WelcomeSent.unsafe_all.filter(outcome=Outcome.AGAIN).count() == 49


@pytest.mark.django_db(transaction=True)
def test_twin_without_the_lock_several_are(words, monkeypatch):
    monkeypatch.setenv("CHANGKE_GUARD_OFF", "welcome.again")
    assert greetings_at_once() > 1
