"""Materials of more kinds: pictures and mini-programs, with what WeCom asks of them."""

import io
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from crm.agents.access import Role
from crm.content import actions as content
from crm.content.actions import MaterialContent, MaterialRefused
from crm.content.models import Material, MaterialPicture
from crm.content.pictures import store_picture
from crm.content.tasks import keep_house
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def drawing(size=(640, 480), kind="PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind, **options)
    return file.getvalue()


def upload(data: bytes | None = None, name: str = "湖.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, drawing() if data is None else data)


def stored(by) -> MaterialPicture:
    return store_picture(upload=upload(), name="湖.png", by=by)


def made(by, **given) -> Material:
    values = {"kind": "program", "tier": "company", "title": "厦门", "link_title": "厦门五日"}
    values |= {"app_id": "wx0000demo0000", "app_page": "pages/p/1.html", "picture": stored(by)}
    written = MaterialContent(**values | given)
    return content.write(material=None, content=written, by=by, now=timezone.now())


FORM = {
    "kind": "image", "tier": "company", "title": "湖", "text": "", "link_url": "",
    "link_title": "", "reuse_days": "0", "app_id": "", "app_page": "", "route": "", "price": "",
    "drive_minutes": "", "walk_metres": "", "room": "",
}  # fmt: skip


def test_a_picture_is_written_anew_kept_over_an_error_and_shown_to_whoever_sees_the_material(
    client, operator
):
    url = reverse("crm:content:new")
    marked = drawing((3000, 2000), "JPEG", comment=b"taken at home")
    wrong = client.post(url, FORM | {"title": "", "picture": upload(marked, "a.jpg")})
    assert wrong.status_code == 422
    picture = MaterialPicture.unsafe_all.get()
    assert f'name="keep_picture" value="{picture.pk}"' in wrong.content.decode()
    assert client.post(url, FORM | {"keep_picture": picture.pk}).status_code == 302
    material = Material.unsafe_all.get()
    assert material.picture == picture
    with picture.file.open("rb") as file:
        kept = file.read()
    assert b"taken at home" not in kept
    assert picture.width * picture.height <= 1440 * 1080
    shown = client.get(reverse("crm:content:picture", args=[picture.pk]))
    assert (shown["Content-Type"], shown["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
    assert b"".join(shown.streaming_content) == kept
    detail = client.get(reverse("crm:content:detail", args=[material.pk])).content.decode()
    assert reverse("crm:content:picture", args=[picture.pk]) in detail
    edit = reverse("crm:content:edit", args=[material.pk])
    without = client.post(edit, FORM | {"version": "1"})
    assert without.status_code == 422
    assert "请上传图片" in without.content.decode()


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"<svg onload='x'>", "不是 JPG 或 PNG"), (drawing()[:200], "已损坏"), (b"", "空")],
)
def test_what_is_no_picture_is_refused_at_its_field(client, operator, data, said):
    page = client.post(reverse("crm:content:new"), FORM | {"picture": upload(data)})
    assert page.status_code == 422
    assert said in "".join(page.context["form"].errors["picture"])
    assert not MaterialPicture.unsafe_all.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"app_id": ""}, "app_id"),
        ({"app_id": "gh_123456"}, "app_id"),
        ({"app_page": " "}, "app_page"),
        ({"app_page": "https://shop.example/1"}, "app_page"),
        ({"link_title": ""}, "link_title"),
        ({"link_title": "厦" * 22}, "link_title"),  # 66 bytes, of which 64 fit.
        ({"link_url": "https://shop.example/1"}, "link_url"),
        ({"picture": None}, "picture"),
        ({"kind": "image"}, "app_id"),
        ({"kind": "text", "text": "早", "app_id": "", "app_page": ""}, "picture"),
        ({"kind": "image", "app_id": "", "app_page": "", "picture": None}, "picture"),
        ({"kind": "image", "app_id": "", "app_page": "", "link_url": "https://x.example"},
         "link_url"),
    ],
)  # fmt: skip
def test_what_wecom_would_not_take_is_refused_at_its_field(operator, given, field):
    with pytest.raises(MaterialRefused) as refused:
        made(operator, **given)
    assert refused.value.field == field


def test_a_title_of_64_bytes_fits(operator):
    assert made(operator, link_title="厦" * 21 + "!").pk


def test_a_product_card_may_lead_into_a_mini_program(client, operator):
    material = made(operator, kind="product", price_cents=388_000)
    detail = client.get(reverse("crm:content:detail", args=[material.pk]))
    assert "pages/p/1.html" in detail.content.decode()
    assert (detail.context["may_send"], detail.context["may_post"]) == (True, False)
    assert material.versions.get().app_page == "pages/p/1.html"


def test_pictures_that_no_material_took_are_dropped_after_a_day(operator):
    material, spare = made(operator), stored(operator)
    other = stored(operator)
    content.write(
        material=material, by=operator, now=timezone.now(), version=1,
        content=MaterialContent(
            kind="program", tier="company", title="厦门", link_title="厦门五日",
            app_id="wx0000demo0000", app_page="pages/p/1.html", picture=other,
        ),
    )  # fmt: skip
    MaterialPicture.unsafe_all.update(uploaded_at=timezone.now() - timedelta(hours=25))
    fresh = stored(operator)
    path = spare.file.path
    assert keep_house() == 1
    left = set(MaterialPicture.unsafe_all.values_list("pk", flat=True))
    assert left == {material.picture_id, other.pk, fresh.pk} | {
        version.picture_id for version in material.versions.all()
    }
    assert len(left) == 3
    with pytest.raises(FileNotFoundError):
        open(path, "rb").close()


def test_an_agent_has_no_fields_of_cards_and_another_agent_no_foreign_upload(client, operator):
    spare = stored(operator)
    agent = factories.make_user(Role.AGENT)
    client.force_login(agent)
    assert "app_id" not in client.get(reverse("crm:content:new")).context["form"].fields
    assert client.get(reverse("crm:content:picture", args=[spare.pk])).status_code == 404
