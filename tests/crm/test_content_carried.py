"""Pictures and mini-programs of the library on their way out, through the sandbox."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from crm.content import actions as content
from crm.content.actions import MaterialContent
from crm.content.models import Material, MaterialPicture
from crm.content.pictures import store_picture
from crm.moments.content import MomentRejected
from crm.moments.models import Moment
from crm.outbox.models import OutboxItem
from crm.outreach import actions, carrying
from crm.outreach.content import SendRejected, attachments_of, content_hash
from crm.outreach.models import MassSend
from tests.crm.test_outreach import METHOD, SendWorld
from tests.moment_world import picture

UPLOADS = "media/upload"
PROGRAM = {
    "kind": "program", "link_title": "厦门五日", "app_id": "wx0000demo0000",
    "app_page": "pages/p/1.html",
}  # fmt: skip


@pytest.fixture
def world(sandbox, settings, db, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return SendWorld(sandbox, settings)


def stored(by) -> MaterialPicture:
    upload = SimpleUploadedFile("湖.png", picture().read())
    return store_picture(upload=upload, name="湖.png", by=by)


def made(world, **given) -> Material:
    values = {"kind": "image", "tier": "company", "title": "湖", "picture": stored(world.author)}
    written = MaterialContent(**values | given)
    return content.write(material=None, content=written, by=world.author, now=world.clock())


def bodies(world, method=METHOD) -> list[dict]:
    found = [entry["body"] for entry in world.sandbox.ledger(method)]
    return [body if isinstance(body, dict) else json.loads(body) for body in found]


def test_a_picture_goes_out_with_the_send_uploaded_once_for_all_agents(world):
    material = made(world)
    send = world.sent(text="看这片湖", material_id=material.pk)
    world.work()
    sent = bodies(world)
    assert len(sent) == send.batches.count() > 1
    image = MaterialPicture.unsafe_all.get()
    [attached] = {json.dumps(body["attachments"]) for body in sent}
    assert json.loads(attached) == [{"msgtype": "image", "image": {"media_id": image.media_id}}]
    [uploaded] = world.sandbox.ledger(UPLOADS)
    assert image.media_id in json.dumps(uploaded)
    send.refresh_from_db()
    assert send.state == MassSend.State.SENT


def test_a_picture_alone_needs_no_words(world):
    material = made(world)
    world.sent(text="", material_id=material.pk)
    world.work()
    assert all("text" not in body and body["attachments"] for body in bodies(world))
    with pytest.raises(SendRejected, match="请填写文字"):
        world.sent(text="")


def test_a_mini_program_goes_out_with_its_cover_and_page(world):
    material = made(world, **PROGRAM)
    world.sent(text="点开看", material_id=material.pk)
    world.work()
    image = MaterialPicture.unsafe_all.get()
    card = {
        "title": "厦门五日", "appid": "wx0000demo0000", "page": "pages/p/1.html",
        "pic_media_id": image.media_id,
    }  # fmt: skip
    assert bodies(world)
    for body in bodies(world):
        assert body["attachments"] == [{"msgtype": "miniprogram", "miniprogram": card}]


def test_a_link_shows_its_picture_by_an_address_that_lasts(world):
    said = {"link_url": "https://x.example/1", "link_title": "厦门"}
    material = made(world, kind="link", **said)
    world.sent(text="点开看", material_id=material.pk, **said)
    world.work()
    image = MaterialPicture.unsafe_all.get()
    assert image.address.startswith("https://")
    assert not image.media_id
    for body in bodies(world):
        assert body["attachments"][0]["link"]["picurl"] == image.address


def test_a_picture_is_uploaded_again_once_its_id_has_expired(world):
    material = made(world)
    world.sent(text="今天", material_id=material.pk)
    world.work()
    first = MaterialPicture.unsafe_all.get().media_id
    world.pass_(days=3)
    world.sent(text="三天后", material_id=material.pk)
    world.work()
    second = MaterialPicture.unsafe_all.get().media_id
    assert first != second
    later = [body for body in bodies(world) if body["text"]["content"] == "三天后"]
    assert later
    assert all(body["attachments"][0]["image"]["media_id"] == second for body in later)


def test_a_picture_that_wecom_no_longer_knows_is_uploaded_and_sent_all_the_same(world):
    material = made(world)
    MaterialPicture.unsafe_all.update(media_id="gone", media_at=world.clock())
    send = world.sent(text="看这片湖", material_id=material.pk)
    world.work()
    assert MaterialPicture.unsafe_all.get().media_id != "gone"
    assert set(world.arrived("看这片湖").values()) == {1}
    assert not OutboxItem.unsafe_all.filter(state="failed").exists()
    send.refresh_from_db()
    assert send.state == MassSend.State.SENT


def test_calls_with_a_picture_that_were_never_answered_reach_nobody_twice(world):
    world.sandbox.fault(METHOD, kind="effect_then_drop", every=3)
    material = made(world, **PROGRAM)
    world.sent(text="点开看", material_id=material.pk)
    world.work(rounds=30)
    arrived = world.arrived("点开看")
    assert arrived
    assert set(arrived.values()) == {1}


def test_an_approval_is_of_the_picture_too_and_a_send_keeps_the_one_it_took(world):
    material = made(world)
    plain = world.sent(text="看这片湖")
    send = world.sent(text="看这片湖", material_id=material.pk)
    assert send.content_hash != plain.content_hash
    first = send.picture
    content.write(
        material=material, by=world.author, now=world.clock(), version=1,
        content=MaterialContent(
            kind="image", tier="company", title="湖", picture=stored(world.author)
        ),
    )  # fmt: skip
    send.refresh_from_db()
    assert (send.picture, content_hash(send)) == (first, send.approved_hash)
    again = carrying.with_material(
        actions.SendContent(title="x", send_at=world.clock(), material_id=material.pk), send
    )
    assert again.picture == first
    MassSend.unsafe_all.filter(pk=send.pk).update(picture=material.versions.first().picture)
    assert content_hash(MassSend.unsafe_all.get(pk=send.pk)) != send.approved_hash


def test_without_its_material_a_send_carries_nothing(world):
    material = made(world, **PROGRAM)
    now = world.clock()
    said = {"title": "x", "send_at": now + timedelta(hours=1), "text": "点开看"}
    said |= {"audience_id": world.everybody.pk}
    send = actions.draft_send(
        content=actions.SendContent(**said, material_id=material.pk), by=world.author, now=now
    )
    assert [one.kind for one in attachments_of(send)] == ["miniprogram"]
    send = actions.edit_send(
        send_id=send.pk, version=send.version, content=actions.SendContent(**said),
        by=world.author, now=now,
    )  # fmt: skip
    assert attachments_of(send) == []
    assert (send.picture, send.app_id) == (None, "")


def test_a_moment_shows_the_picture_of_the_library(world):
    material = made(world)
    shown = {"material_id": material.pk, "picture": material.picture}
    moment = world.approved(text="看这片湖", **shown)
    world.the_hour_comes()
    [body] = bodies(world, "externalcontact/add_moment_task")
    image = moment.images.get()
    assert body["attachments"] == [{"msgtype": "image", "image": {"media_id": image.media_id}}]
    linked = {"link_url": "https://x.example/1", "link_title": "厦门"}
    cover = world.drafted(**linked, **shown).images.get()
    assert (cover.is_cover, cover.sha256) == (True, material.picture.sha256)


def test_a_moment_cannot_carry_a_mini_program(world):
    material = made(world, **PROGRAM)
    with pytest.raises(MomentRejected, match="不能带小程序"):
        world.drafted(material_id=material.pk)


def test_the_pages_show_what_goes_out_beside_the_words(client, world):
    material = made(world)
    client.force_login(world.author)
    shown = reverse("crm:content:picture", args=[material.picture.pk])
    for name in ("crm:outreach:new", "crm:moments:new"):
        assert shown in client.get(reverse(name), {"material": material.pk}).content.decode()
    send = world.sent(text="看这片湖", material_id=material.pk)
    assert shown in client.get(reverse("crm:outreach:detail", args=[send.pk])).content.decode()
    form = {
        "title": "湖", "text": "看这片湖", "everyone": "on", "material": material.pk,
        "publish_wall": (timezone.localtime() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M"),
    }  # fmt: skip
    client.post(reverse("crm:moments:new"), form)
    client.post(reverse("crm:moments:new"), form | {"library_picture": "1"})
    without, with_it = Moment.unsafe_all.filter(material=material).order_by("pk")
    assert (without.images.count(), with_it.images.count()) == (0, 1)
    edit = reverse("crm:moments:edit", args=[with_it.pk])
    page = client.get(edit)
    assert page.context["form"].library_picture is None
    kept = form | {"keep": with_it.images.get().pk, "version": with_it.version}
    assert client.post(edit, kept).status_code == 302
    assert with_it.images.count() == 1
