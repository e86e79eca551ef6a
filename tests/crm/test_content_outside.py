"""The library for other systems and as a file: the same values under the same names."""

import base64
import csv
import io
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from crm.agents.access import Permission, Role
from crm.agents.models import AuditEntry
from crm.catalog.models import Route
from crm.content import actions as content
from crm.content.actions import MaterialContent
from crm.content.models import FactRule, Material
from tests.crm.test_api import make_token
from tests.factories import make_tag, make_user
from tests.moment_world import picture

pytestmark = pytest.mark.django_db
CARD = {
    "kind": "product", "title": "厦门卡片", "text": "车程{{车程|不远}}", "price": "3880.00",
    "link_url": "https://shop.example/p/1", "link_title": "厦门五日", "walk_metres": 800,
}  # fmt: skip


@pytest.fixture
def token(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return make_token(Permission.API_CONTENT)


def ask(token, name="materials", *args, **params):
    headers = {"Authorization": f"Bearer {token}"}
    return Client().get(reverse(f"crm:api:{name}", args=args), params, headers=headers)


def give(token, body, *, key=None):
    headers = {"Authorization": f"Bearer {token}"}
    headers |= {"Idempotency-Key": key} if key else {}
    address = reverse("crm:api:materials")
    return Client().post(
        address, json.dumps(body), content_type="application/json", headers=headers
    )


def made(by, **given) -> Material:
    values = {"kind": "text", "tier": "company", "title": "早安", "text": "早安"}
    written = MaterialContent(**values | given)
    return content.write(material=None, content=written, by=by, now=timezone.now())


def test_a_card_comes_in_and_is_read_with_what_it_must_yet_tell(token):
    FactRule.objects.create(
        code="silver", name="银发", tag=make_tag(), facts=["drive", "walk"],
        valid_from=timezone.now() - timedelta(days=1),
    )  # fmt: skip
    answer = give(token, CARD)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    kept = Material.unsafe_all.get()
    assert (kept.tier, kept.price_cents, kept.walk_metres) == ("company", 388_000, 800)
    assert (told["id"], told["price"], told["findings"]) == (kept.pk, "3880.00", [])
    [missing] = told["missing"]
    assert (missing["rule"], missing["for"], missing["facts"]) == ("silver", "银发", ["drive"])
    again = ask(token, "material", kept.pk)
    assert again.status_code == 200
    assert {**again.json(), "updated_at": ""} == {**told, "updated_at": ""}
    entry = AuditEntry.objects.get(action="content.write")
    assert entry.actor.role == Role.SERVICE


def test_a_route_and_a_picture_come_in_too(token):
    Route.objects.create(route_no="R-1", title="厦门五日", days=5, price_cents=100_000)
    drawn = base64.b64encode(picture().read()).decode()
    card = {"kind": "product", "title": "厦门", "text": "去", "route_no": "R-1", "picture": drawn}
    told = give(token, card).json()
    assert (told["route_no"], told["price"], len(told["picture"])) == ("R-1", "1000.00", 64)
    for wrong, field in (({"route_no": "R-9"}, "route_no"), ({"picture": "%%"}, "picture")):
        refused = give(token, card | wrong)
        assert (refused.status_code, refused.json()["field"]) == (422, field)
    no_picture = give(token, card | {"picture": base64.b64encode(b"<svg/>").decode()})
    assert (no_picture.status_code, no_picture.json()["field"]) == (422, "picture")
    assert Material.unsafe_all.count() == 1


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"kind": "poem"}, 400),
        ({"title": ""}, 400),
        ({"price": "-1"}, 400),
        ({"expires_on": "soon"}, 400),
        ({"text": "{{phone|x}}"}, 422),
        ({"link_url": "javascript:alert(1)"}, 422),
        ({"price": None}, 422),
    ],
)
def test_bad_input_changes_nothing_and_names_the_field(token, given, status):
    answer = give(token, CARD | given)
    assert answer.status_code == status
    [name] = given
    body = answer.json()
    assert name == body.get("field") or name in body.get("details", {})
    assert not Material.unsafe_all.exists()


def test_the_same_key_makes_one_material(token):
    first, second = give(token, CARD, key="k1"), give(token, CARD, key="k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotent-Replay"] == "true"
    assert first.json() == second.json()
    assert Material.unsafe_all.count() == 1
    assert give(token, CARD | {"title": "别的"}, key="k1").status_code == 422


def test_the_list_is_paged_narrowed_and_holds_nobodys_personal_scripts(token):
    operator, agent = make_user(Role.OPERATOR), make_user(Role.AGENT)
    for n in range(52):
        made(operator, title=f"早安{n}", topic="早安" if n < 3 else "")
    private = made(agent, kind="script", tier="personal", title="我的")
    first = ask(token).json()
    assert (len(first["items"]), first["total"]) == (50, 52)
    rest = ask(token, after=first["next"]).json()
    names = {item["title"] for item in [*first["items"], *rest["items"]]}
    assert names == {f"早安{n}" for n in range(52)}
    assert rest["next"] == ""
    assert len(ask(token, topic="早安").json()["items"]) == 3
    assert ask(token, "material", private.pk).status_code == 404


def test_other_tokens_and_strangers_are_refused(token):
    assert ask(make_token(Permission.API_INGEST)).status_code == 403
    assert ask("ck.wrong").status_code == 401
    assert give(make_token(Permission.API_INGEST), CARD).status_code == 403


def test_the_list_as_a_file_says_what_the_api_says(client, token):
    give(token, CARD)
    operator = make_user(Role.OPERATOR)
    made(operator, title="=1+1", text="早安")
    client.force_login(operator)
    url = reverse("crm:content:export")
    raw = b"".join(client.get(url).streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(raw)))
    told = ask(token).json()["items"]
    assert [row["编号"] for row in rows] == [str(item["id"]) for item in told]
    card = next(row for row in rows if row["名称"] == "厦门卡片")
    assert (card["种类"], card["价格（元）"], card["步行距离（米）"]) == (
        "产品卡片",
        "3880.00",
        "800",
    )
    assert {row["名称"] for row in rows} == {"'=1+1", "厦门卡片"}
    book = client.get(url, {"format": "xlsx", "kind": "product"})
    sheet = load_workbook(io.BytesIO(b"".join(book.streaming_content))).active
    assert [row[3].value for row in sheet.iter_rows()] == ["名称", "厦门卡片"]
    page = client.get(reverse("crm:content:list"), {"kind": "product"}).content.decode()
    assert f"{url}?kind=product" in page
    client.force_login(make_user(Role.AGENT))
    assert client.get(url).status_code == 403
