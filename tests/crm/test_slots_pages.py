"""Slots on their pages."""

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import AuditEntry
from crm.slots.models import PostSlot, SlotDate
from tests.factories import make_user
from tests.slot_world import (
    a_face,
    a_slot,
    materials,
)

Standing, Reason = SlotDate.Standing, SlotDate.Reason


@pytest.fixture
def operator(db):
    return make_user(Role.OPERATOR)


@pytest.fixture
def face(operator):
    return a_face(operator)


# Pages


def test_a_slot_is_written_on_its_page_and_filled_at_once(client, operator):
    face = a_face(operator, topic="早安")
    listed = materials(operator, 1, topic="")
    client.force_login(operator)
    new = reverse("crm:slots:new")
    form = client.get(f"{new}?face={face.pk}").context["form"]
    assert (form["face"].initial, form["topic"].initial) == (face, "早安")
    asked = {
        "name": "早安问候",
        "face": face.pk,
        "weekdays": ["0", "5"],
        "at": "08:00",
        "materials": [listed[0].pk],
        "reuse_days": 7,
    }
    answer = client.post(new, asked)
    slot = PostSlot.objects.get()
    assert answer.url == reverse("crm:slots:detail", args=[slot.pk])
    assert slot.dates.exclude(moment=None).count() >= 1
    page = client.get(answer.url).content.decode()
    assert "周一" in page and "已排" in page
    assert "早安问候" in client.get(reverse("crm:slots:list")).content.decode()
    edit = reverse("crm:slots:edit", args=[slot.pk])
    assert client.get(edit).status_code == 200
    changed = asked | {"version": slot.version, "reuse_days": 9}
    assert client.post(edit, changed).status_code == 302
    assert client.post(edit, changed).status_code == 409
    for step in ("archive", "restore"):
        slot.refresh_from_db()
        url = reverse(f"crm:slots:{step}", args=[slot.pk])
        assert client.post(url, {"version": slot.version}).status_code == 302
        assert client.post(url, {"version": 0}).status_code == 422
    assert AuditEntry.objects.filter(action="slot.save").count() == 2


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"at": "25:00"}, "at"),
        ({"weekdays": ["9"]}, "weekdays"),
        ({"reuse_days": "x"}, "reuse_days"),
        ({"face": "0"}, "face"),
        ({"topic": "", "materials": []}, "topic"),
    ],
)
def test_bad_input_is_told_at_its_field(client, operator, face, wrong, field):
    client.force_login(operator)
    asked = {"name": "早安", "face": face.pk, "weekdays": ["0"], "at": "08:00", "topic": "早安"}
    answer = client.post(reverse("crm:slots:new"), asked | {"reuse_days": 7} | wrong)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors


def test_a_lead_reads_slots_and_changes_none(client, operator, face):
    slot = a_slot(operator, face)
    client.force_login(make_user(Role.LEAD))
    detail = reverse("crm:slots:detail", args=[slot.pk])
    assert "修改" not in client.get(detail).content.decode()
    assert client.get(reverse("crm:slots:edit", args=[slot.pk])).status_code == 403
    assert timezone.now() and client.get(reverse("crm:slots:list")).status_code == 200
