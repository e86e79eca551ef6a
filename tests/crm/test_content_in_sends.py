"""A material on its way out: taken by a send, moved with it, and read by nobody twice too soon."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.acquisition.actions import WelcomeRule, save_welcome
from crm.acquisition.wording import BadWording
from crm.agents.access import Role
from crm.audiences.actions import freeze_audience
from crm.content import actions as content
from crm.content.actions import MaterialContent, MaterialRefused
from crm.content.models import Material, MaterialUse, SensitiveWord
from crm.moments.actions import cancel_moment, reschedule_moment
from crm.moments.content import MomentContent, MomentRejected, refuse_unfit
from crm.moments.models import Moment
from crm.outreach import actions
from crm.outreach.content import SendContent, SendRejected
from crm.outreach.models import MassSend
from crm.shared.times import local_day
from tests import factories

pytestmark = pytest.mark.django_db
GREETING = "{{name|您}}好"


@pytest.fixture
def operator(client):
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def approver():
    return factories.make_user(Role.MANAGER, departments=[factories.make_department()])


@pytest.fixture
def friends():
    agent = factories.make_agent()
    return [factories.make_friend(agent) for _n in range(3)]


def made(by, **given) -> Material:
    values = {"kind": "text", "tier": "company", "title": "早安", "text": "早安，今天也顺利"}
    written = MaterialContent(**values | given)
    return content.write(material=None, content=written, by=by, now=timezone.now())


def audience(by, people) -> int:
    ids = [one.pk for one in people]
    return freeze_audience(
        name="老客户", customer_ids=ids, by=by, now=timezone.now(), source="test"
    ).pk


def drafted(by, material, people, *, days: float = 1) -> MassSend:
    return actions.draft_send(content=said(by, material, people, days), by=by, now=timezone.now())


def said(by, material, people, days: float = 1, **given) -> SendContent:
    values = {
        "title": "早安", "text": "早安，今天也顺利", "audience_id": audience(by, people),
        "send_at": timezone.now() + timedelta(days=days),
        "material_id": material.pk if material else None,
    }  # fmt: skip
    return SendContent(**values | given)


def submitted(send: MassSend, by) -> MassSend:
    return actions.submit_send(send_id=send.pk, version=send.version, by=by, now=timezone.now())


def recent(send: MassSend) -> set[int]:
    rows = send.recipients.filter(reason="recent", state="skipped")
    return set(rows.values_list("customer_id", flat=True))


def test_nobody_reads_the_same_material_twice_within_its_interval(operator, friends):
    material = made(operator, reuse_days=7)
    submitted(drafted(operator, material, friends[:2], days=10), operator)
    for days in (3.1, 16.9):  # Before it and after it, from another audience of the same people.
        again = submitted(drafted(operator, material, friends, days=days), operator)
        assert recent(again) == {friends[0].pk, friends[1].pk}
        assert again.recipients.filter(state="waiting").get().customer == friends[2]
        actions.stop_send(send_id=again.pk, by=operator, now=timezone.now())
    assert not recent(submitted(drafted(operator, material, friends, days=17.1), operator))


def test_what_never_went_out_keeps_nobody_from_reading(operator, friends):
    material = made(operator, reuse_days=7)
    drafted(operator, material, friends)  # A draft.
    stopped = submitted(drafted(operator, material, friends), operator)
    actions.stop_send(send_id=stopped.pk, by=operator, now=timezone.now())
    other = made(operator, reuse_days=7, title="晚安")
    submitted(drafted(operator, other, friends), operator)
    assert not recent(submitted(drafted(operator, material, friends), operator))
    assert not MaterialUse.objects.filter(subject_id=stopped.pk).exists()


def test_the_dry_run_says_who_has_read_it(client, operator, friends):
    material = made(operator, reuse_days=7)
    submitted(drafted(operator, material, friends[:2]), operator)
    asked = {
        "target": "customers", "audience": audience(operator, friends), "material": material.pk,
        "content_kind": "promotion",
    }  # fmt: skip
    url = reverse("crm:outreach:plan")
    dry = client.post(url, asked).context["dry"]
    assert (dry.reached, dict(dry.left_out)) == (1, {"recent": 2})
    assert client.post(url, asked | {"material": ""}).context["dry"].reached == 3


def test_a_send_that_moves_takes_its_use_along_and_does_not_move_into_another(operator, friends):
    material = made(operator, reuse_days=7)
    submitted(drafted(operator, material, friends, days=1), operator)
    later = submitted(drafted(operator, material, friends, days=20), operator)

    def move(days: float) -> MassSend:
        at, now = timezone.now() + timedelta(days=days), timezone.now()
        return actions.move_send(
            send_id=later.pk, version=later.version, send_at=at, by=operator, now=now
        )

    with pytest.raises(SendRejected, match="其中 3 人"):
        move(7)
    moved = move(9)
    assert MaterialUse.objects.get(subject_id=later.pk).used_at == moved.send_at
    assert MaterialUse.objects.count() == 2


def test_a_use_names_the_version_that_was_taken_whatever_the_library_says_later(operator, friends):
    material = made(operator, reuse_days=7)
    send = drafted(operator, material, friends)
    words = MaterialContent(kind="text", tier="company", title="早安", text="改了")
    content.write(material=material, content=words, by=operator, now=timezone.now(), version=1)
    submitted(send, operator)
    use = MaterialUse.objects.get()
    assert (use.version, use.used_by) == (1, operator)
    assert drafted(operator, material, friends).material.version == 2
    assert set(MaterialUse.objects.values_list("version", flat=True)) == {1, 2}


def test_what_expires_before_its_day_is_refused_at_every_step(operator, approver, friends):
    material = made(operator, expires_on=local_day(timezone.now() + timedelta(days=2)))
    send, now = drafted(operator, material, friends), timezone.now()
    with pytest.raises(MaterialRefused, match="有效期"):
        drafted(operator, material, friends, days=4)
    with pytest.raises(MaterialRefused, match="有效期"):
        actions.edit_send(
            send_id=send.pk, version=send.version, by=operator, now=now,
            content=said(operator, material, friends, days=4),
        )  # fmt: skip
    send.refresh_from_db()
    send = submitted(send, operator)
    with pytest.raises(MaterialRefused, match="有效期"):
        actions.move_send(
            send_id=send.pk, version=send.version, by=operator, now=now,
            send_at=now + timedelta(days=4),
        )  # fmt: skip
    content.archive(material=material, by=operator, now=now)
    with pytest.raises(MaterialRefused, match="已归档"):
        actions.approve_send(send_id=send.pk, seen_hash=send.content_hash, by=approver, now=now)
    # Words that no longer come from the library are the send's own.
    send.refresh_from_db()
    edited = actions.edit_send(
        send_id=send.pk, version=send.version, content=said(operator, None, friends), by=operator,
        now=now,
    )  # fmt: skip
    assert submitted(edited, operator).state == MassSend.State.WAITING
    assert not MaterialUse.objects.exists()


def test_a_sensitive_word_is_refused_in_whatever_goes_out(operator, approver, friends):
    send = submitted(drafted(operator, None, friends), operator)
    SensitiveWord.objects.create(word="早安")  # Added after the text was written.
    now = timezone.now()
    with pytest.raises(SendRejected, match="敏感词") as refused:
        actions.approve_send(send_id=send.pk, seen_hash=send.content_hash, by=approver, now=now)
    assert refused.value.field == "text"
    linked = said(
        operator, None, friends, text="好", link_url="https://x.example", link_title="早 安"
    )
    with pytest.raises(SendRejected, match="敏感词") as refused:
        actions.draft_send(content=linked, by=operator, now=now)
    assert refused.value.field == "link_title"
    with pytest.raises(MomentRejected, match="敏感词"):
        refuse_unfit(MomentContent(title="x", publish_wall=now, zone="Asia/Shanghai", text="早安"))
    with pytest.raises(BadWording, match="敏感词"):
        save_welcome(WelcomeRule(name="x", text="早安"), by=operator, now=now)


def test_a_send_takes_its_text_from_the_library_and_is_noted_there(client, operator, friends):
    material = made(operator, reuse_days=30)
    url = reverse("crm:outreach:new")
    page = client.get(url, {"material": material.pk})
    assert page.context["form"].initial["text"] == material.text
    form = {
        "title": "早安群发", "target": "customers", "audience": audience(operator, friends),
        "text": material.text, "content_kind": "promotion", "control_percent": "0", "then": "draft",
        "send_at": (timezone.localtime() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"),
        "material": material.pk,
    }  # fmt: skip
    saved = client.post(url, form)
    assert saved.status_code == 302, saved.context["form"].errors
    send = MassSend.unsafe_all.get()
    assert MaterialUse.objects.get().subject_id == send.pk
    edit = reverse("crm:outreach:edit", args=[send.pk])
    assert client.get(edit).context["material"] == material
    kept = client.post(edit, form | {"version": 1, "title": "改了"})
    assert kept.status_code == 302
    assert MaterialUse.objects.get().subject_id == send.pk
    assert reverse("crm:outreach:detail", args=[send.pk]) in (
        client.get(reverse("crm:content:detail", args=[material.pk])).content.decode()
    )
    variables = client.post(url, form | {"text": GREETING, "material": ""})
    assert variables.status_code == 422
    assert "不能用变量" in variables.content.decode()
    without = client.post(edit, form | {"version": 2, "material": ""})
    assert without.status_code == 302
    assert not MaterialUse.objects.exists()


def test_a_moment_takes_its_text_from_the_library_and_is_noted_there(client, operator):
    material = made(operator, expires_on=local_day(timezone.now() + timedelta(days=5)))
    factories.make_agent()
    url = reverse("crm:moments:new")
    page = client.get(url, {"material": material.pk})
    assert page.context["form"].initial["text"] == material.text

    def form(days: int, **given) -> dict:
        at = (timezone.localtime() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M")
        said = {"title": "早安", "text": material.text, "publish_wall": at, "everyone": "on"}
        return said | {"material": material.pk} | given

    late = client.post(url, form(9))
    assert late.status_code == 422
    assert "有效期" in late.content.decode()
    saved = client.post(url, form(2))
    assert saved.status_code == 302
    moment = Moment.unsafe_all.get()
    assert MaterialUse.objects.get().subject_id == moment.pk
    detail = client.get(reverse("crm:content:detail", args=[material.pk])).content.decode()
    assert reverse("crm:moments:detail", args=[moment.pk]) in detail
    with pytest.raises(MaterialRefused, match="有效期"):
        reschedule_moment(
            moment_id=moment.pk, version=moment.version, by=operator, now=timezone.now(),
            publish_wall=timezone.localtime().replace(tzinfo=None) + timedelta(days=9),
        )  # fmt: skip
    again = client.post(url, form(3))
    assert again.status_code == 302
    other = Moment.unsafe_all.exclude(pk=moment.pk).get()
    cancel_moment(moment_id=other.pk, by=operator, now=timezone.now())
    assert MaterialUse.objects.get().subject_id == moment.pk
    edit = reverse("crm:moments:edit", args=[moment.pk])
    assert client.get(edit).context["material"] == material
    assert client.post(edit, form(2, material="", version=moment.version)).status_code == 302
    assert not MaterialUse.objects.exists()
    variables = client.post(url, form(2, text=GREETING, material=""))
    assert variables.status_code == 422
    assert "不能用变量" in variables.content.decode()
