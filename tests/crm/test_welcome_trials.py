"""Welcomes tried at random: drawn at the moment of adding, the same whenever it is asked again."""

from collections import Counter

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.acquisition.actions import Greeting, queue_welcome, try_welcome
from crm.acquisition.models import WelcomeSent
from crm.acquisition.wording import BadWording
from crm.agents.access import Role
from crm.outbox.models import OutboxItem
from crm.trials.models import Trial, TrialArm
from crm.trials.variants import TrialPlan, TrialRefused, arm_for, end_trial, stop_arm
from tests.crm.test_welcomes import rule
from tests.factories import make_user

NOW = timezone.now()


def arms_of(n: int, *, stopped: int = -1) -> list[TrialArm]:
    return [
        TrialArm(number=number, label=str(number), stopped_at=NOW if number == stopped else None)
        for number in range(n)
    ]


@given(salt=st.text("abcdef0123456789", min_size=8, max_size=8), percent=st.integers(5, 50),
       variants=st.integers(1, 4))  # fmt: skip
def test_arms_get_their_share_of_relations_and_each_relation_always_the_same(
    salt, percent, variants
):
    trial, arms = Trial(salt=salt, control_percent=percent), arms_of(variants + 1)
    units = [f"agent:wm{n}" for n in range(2_000)]
    drawn = {unit: arm_for(trial, arms, unit).number for unit in units}
    assert drawn == {unit: arm_for(trial, arms[::-1], unit).number for unit in units}
    counts = Counter(drawn.values())
    shares = {0: percent / 100} | dict.fromkeys(
        range(1, variants + 1), (1 - percent / 100) / variants
    )
    for number, share in shares.items():
        assert abs(counts[number] / 2_000 - share) < 5 * (share * (1 - share) / 2_000) ** 0.5


def test_a_stopped_arm_goes_to_the_others_and_nobody_else_moves():
    trial = Trial(salt="s", control_percent=20)
    units = [f"agent:wm{n}" for n in range(1_000)]
    before = {unit: arm_for(trial, arms_of(3), unit).number for unit in units}
    after = {unit: arm_for(trial, arms_of(3, stopped=2), unit).number for unit in units}
    assert 2 not in after.values()
    assert all(after[unit] == arm for unit, arm in before.items() if arm != 2)
    assert {after[unit] for unit, arm in before.items() if arm == 2} == {0, 1}


@pytest.fixture
def operator(client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def welcome(db):
    return rule(is_default=True, text="你好")


def plan(**values) -> TrialPlan:
    given = {"title": "默认", "control_text": "你好", "variants": ("欢迎", "很高兴认识您")}
    return TrialPlan(**given | {"control_percent": 50, "planned_people": 100} | values)


def added(code: str, who: str = "wm1", userid: str = "LiTing") -> WelcomeSent:
    greeting = Greeting(code, userid, who, "", timezone.now())
    queue_welcome(greeting, now=timezone.now())
    return WelcomeSent.unsafe_all.get(code=code)


def said(sent: WelcomeSent) -> str:
    return OutboxItem.unsafe_all.get(kind="welcome", subject_id=sent.pk).payload["text"]


def test_everybody_hears_the_words_of_the_arm_that_was_drawn(welcome, operator):
    try_welcome(welcome=welcome, plan=plan(), by=operator, now=timezone.now())
    rows = [added(f"c{n}", f"wm{n}") for n in range(40)]
    assert all(said(row) == row.arm.text for row in rows)
    assert {row.arm.number for row in rows} == {0, 1, 2}


def test_a_callback_that_comes_twice_and_a_relation_that_comes_again_keep_the_arm(
    welcome, operator
):
    try_welcome(welcome=welcome, plan=plan(), by=operator, now=timezone.now())
    first = added("c1")
    assert added("c1").pk == first.pk
    assert added("c2").arm == first.arm
    assert WelcomeSent.unsafe_all.count() == 2


def test_a_control_without_words_is_written_and_nothing_is_sent(welcome, operator):
    quiet = plan(control_text="", control_percent=50)
    try_welcome(welcome=welcome, plan=quiet, by=operator, now=timezone.now())
    rows = [added(f"c{n}", f"wm{n}") for n in range(30)]
    held = [row for row in rows if row.arm.number == 0]
    assert held
    assert {row.outcome for row in held} == {"held"}
    assert OutboxItem.unsafe_all.count() == len(rows) - len(held)


def test_after_the_end_the_plain_words_come_back_and_another_trial_may_begin(welcome, operator):
    trial = try_welcome(welcome=welcome, plan=plan(), by=operator, now=timezone.now())
    welcome.refresh_from_db()
    with pytest.raises(TrialRefused):
        try_welcome(welcome=welcome, plan=plan(), by=operator, now=timezone.now())
    end_trial(trial=trial, by=operator, now=timezone.now())
    row = added("c1")
    assert (row.arm, said(row)) == (None, "你好")
    again = try_welcome(welcome=welcome, plan=plan(), by=operator, now=timezone.now())
    assert again.salt != trial.salt


def test_the_last_variant_and_the_control_cannot_be_stopped(welcome, operator):
    trial = try_welcome(welcome=welcome, plan=plan(), by=operator, now=timezone.now())
    stop_arm(trial=trial, number=1, by=operator, now=timezone.now())
    for number in (0, 1, 2, 9):
        with pytest.raises(TrialRefused):
            stop_arm(trial=trial, number=number, by=operator, now=timezone.now())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"variants": ()}, "variants"),
        ({"variants": ("a", "b", "c", "d", "e")}, "variants"),
        ({"variants": ("你好",)}, "variants"),
        ({"variants": ("{谁}",)}, "text"),
        ({"control_percent": 0}, "control_percent"),
        ({"control_percent": 51}, "control_percent"),
        ({"planned_people": 3}, "planned_people"),
    ],
)
def test_what_cannot_be_tried_is_refused_naming_the_field(welcome, operator, values, field):
    with pytest.raises((TrialRefused, BadWording)) as refused:
        try_welcome(welcome=welcome, plan=plan(**values), by=operator, now=timezone.now())
    assert refused.value.field == field
    assert not Trial.unsafe_all.exists()


def test_the_page_begins_stops_and_ends_a_trial(welcome, operator, client):
    url = reverse("crm:acquisition:trial", args=[welcome.pk])
    assert "随机比较" in client.get(url).content.decode()
    sent = {
        "variants": "欢迎\r\n---\r\n很高兴认识您", "control": "none", "control_percent": "20",
        "planned_people": "100",
    }  # fmt: skip
    assert client.post(url, sent).status_code == 302
    welcome.refresh_from_db()
    assert [arm.text for arm in welcome.trial.arms.all()] == ["", "欢迎", "很高兴认识您"]
    stop = reverse("crm:acquisition:stop_trial", args=[welcome.pk])
    assert client.post(stop, {"arm": "1"}).status_code == 302
    assert client.post(stop, {"arm": "1"}).status_code == 422
    assert "已停用" in client.get(url).content.decode()
    for wrong in ({}, {"arm": ""}, {"arm": "x"}, {"arm": "9999"}, {"arm": "0"}):
        assert client.post(stop, wrong).status_code == 422
    welcome.trial.refresh_from_db()
    assert welcome.trial.ended_at is None
    assert client.post(stop, {"arm": "all"}).status_code == 302
    welcome.trial.refresh_from_db()
    assert welcome.trial.ended_at
    refused = client.post(url, sent | {"variants": " "})
    assert refused.status_code == 422
    assert client.post(url, sent | {"variants": "{谁}"}).status_code == 422
