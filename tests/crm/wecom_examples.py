"""One honest use of every method of the client, in a world where it can succeed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from django.utils import timezone

from crm import wecom
from crm.wecom import methods
from crm.wecom.attachments import Attachment
from crm.wecom.calls.strategies import CUSTOMERS, MOMENTS
from crm.wecom.channel_records import AcquisitionLink, ContactWay, JoinWay, TemporaryChat
from crm.wecom.shelf_records import GroupWelcome, Product, Range, Strategy, WordRule
from tests.waiting import eventually

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f"
    "0005fe02fea1d1a0e40000000049454e44ae426082"
)
CARD = Attachment.link("三亚 5 日", "https://travel.example/sanya")
EXAMPLES: dict[str, Callable[["World"], Any]] = {}


def example(*of: methods.Method):
    """Says which methods an example calls; each must be answered with 0 in it."""

    def enter(function):
        for method in of:
            EXAMPLES[method.path] = function
        return function

    return enter


@dataclass
class World:
    """The sandbox, the clients that speak with it, and what the examples need of it."""

    sandbox: Any

    @cached_property
    def client(self) -> wecom.Client:
        return wecom.client()

    @cached_property
    def archive(self) -> wecom.ArchiveClient:
        return wecom.archive_client()

    @cached_property
    def world(self) -> dict:
        return self.sandbox.read("world")

    @cached_property
    def userids(self) -> list[str]:
        return self.client.follow_users()

    @cached_property
    def userid(self) -> str:
        return next(u for u in self.userids if len(self.client.customer_ids(u)) > 3)

    @cached_property
    def heir(self) -> str:
        return next(u for u in self.userids if u != self.userid)

    @cached_property
    def customers(self) -> list[str]:
        return self.client.customer_ids(self.userid)

    @cached_property
    def chat_id(self) -> str:
        return self.client.groups()[0]

    def later(self, seconds: float) -> None:
        self.sandbox.control("clock", advance=seconds)

    def last_days(self, days: int) -> tuple:
        now = timezone.now()
        return now - timedelta(days=days), now - timedelta(days=1)

    def around_now(self) -> tuple:
        now = timezone.now()
        return now - timedelta(days=1), now + timedelta(days=1)


# 1 and 12.3


@example(methods.GET_TOKEN, methods.FOLLOW_USERS)
def reading_followers(w):
    assert w.client.follow_users()


@example(methods.CALLBACK_ADDRESSES, methods.API_ADDRESSES)
def reading_addresses(w):
    assert w.client.callback_addresses() and w.client.api_addresses()


@example(
    *(methods.DEPARTMENTS, methods.DEPARTMENT_IDS, methods.DEPARTMENT, methods.MEMBERS),
    *(methods.MEMBER, methods.MEMBER_NAMES, methods.MEMBER_IDS),
)
def reading_the_directory(w):
    departments = w.client.departments()
    assert len(departments) == len(w.client.department_ids())
    [everybody] = [
        d["id"]
        for d in departments
        if any(m["userid"] == w.userid for m in w.client.members(d["id"]))
    ]
    assert w.client.department(everybody)["name"]
    assert w.userid in [m["userid"] for m in w.client.member_names(everybody)]
    assert w.client.member(w.userid)["userid"] == w.userid
    assert (w.userid, everybody) in w.client.member_ids()


@example(methods.SIGNED_IN, methods.MEMBER_DETAILS)
def signing_in(w):
    signed_in = w.client.signed_in(f"code.{w.userid}")
    assert w.client.member_details(signed_in.ticket)["userid"] == signed_in.userid == w.userid


@example(methods.PAGE_TICKET, methods.APP_TICKET)
def fetching_tickets(w):
    assert w.client.page_ticket().lifetime == w.client.app_ticket().lifetime == 7200


# 2


@example(methods.CUSTOMER_IDS, methods.CONTACT, methods.CONTACTS_OF, methods.OPENID)
def reading_customers(w):
    listed = list(w.client.contacts_of([w.userid]))
    assert {c.customer.external_userid for c in listed} == set(w.customers)
    alone = w.client.contact(w.customers[0])
    assert w.userid in [relation.userid for relation in alone.relations]
    of_wechat = next(c for c in w.world["relations"] if c["external_userid"].startswith("wm"))
    assert w.client.openid_of(of_wechat["external_userid"])


@example(methods.SERVED_CONTACTS)
def reading_everybody_served(w):
    served = list(w.client.served_contacts())
    assert set(w.customers) <= {s.external_userid for s in served if s.is_customer}


@example(methods.UPDATE_REMARK)
def changing_a_remark(w):
    pair = {"userid": w.userid, "external_userid": w.customers[0]}
    w.client.update_remark(**pair, remark="海风-三亚亲子", phones=["13900000000"])
    w.client.update_remark(**pair, description="暑期 4 人")
    relations = w.client.contact(w.customers[0]).relations
    mine = next(r for r in relations if r.userid == w.userid)
    assert (mine.remark, mine.description, mine.phone) == (
        "海风-三亚亲子",
        "暑期 4 人",
        "13900000000",
    )
    w.client.update_remark(**pair, phones=[])
    relations = w.client.contact(w.customers[0]).relations
    assert next(r for r in relations if r.userid == w.userid).phone == ""


def strategies(sort):
    def using(w):
        made = Strategy("华南组", admins=(w.userid,), privileges={"view_customer_list": True})
        strategy_id = w.client.create_strategy(made, Range((w.userid,)), sort)
        assert strategy_id in w.client.strategy_ids(sort)
        found = w.client.strategy(strategy_id, sort)
        assert (found.name, found.admins) == ("华南组", (w.userid,))
        department = w.client.member(w.heir)["main_department"]
        w.client.edit_strategy(found, add=Range((w.heir,), (department,)), sort=sort)
        w.client.edit_strategy(found, remove=Range((w.heir,)), sort=sort)
        assert w.client.strategy_range(strategy_id, sort) == Range((w.userid,), (department,))
        w.client.delete_strategy(strategy_id, sort)
        assert strategy_id not in w.client.strategy_ids(sort)

    return using


for _sort in (CUSTOMERS, MOMENTS):
    example(_sort.all, _sort.one, _sort.range, _sort.create, _sort.edit, _sort.delete)(
        strategies(_sort)
    )


# 3


@example(
    *(methods.CORP_TAGS, methods.CREATE_CORP_TAGS, methods.EDIT_CORP_TAG),
    *(methods.DELETE_CORP_TAGS, methods.MARK_TAGS),
)
def keeping_tags(w):
    made = w.client.create_corp_tags(["海钓", "滑雪"], group_name="契约测试")
    assert {tag.name for tag in made.tags} == {"海钓", "滑雪"}
    w.client.create_corp_tags(["潜水"], group_id=made.wecom_id)
    first = made.tags[0]
    w.client.edit_corp_tag(first.wecom_id, name="带娃", order=9)
    [group] = w.client.corp_tags(group_ids=[made.wecom_id])
    assert group.tags[0].name == "带娃" and len(group.tags) == 3
    pair = {"userid": w.userid, "external_userid": w.customers[0]}
    w.client.mark_tags(**pair, add=[first.wecom_id])
    w.client.mark_tags(**pair, remove=[first.wecom_id])
    w.client.delete_corp_tags(tag_ids=[first.wecom_id])
    w.client.delete_corp_tags(group_ids=[made.wecom_id])
    assert w.client.corp_tags(group_ids=[made.wecom_id]) == []


@example(
    *(methods.STRATEGY_TAGS, methods.CREATE_STRATEGY_TAGS),
    *(methods.EDIT_STRATEGY_TAG, methods.DELETE_STRATEGY_TAGS),
)
def keeping_strategy_tags(w):
    strategy_id = w.client.create_strategy(Strategy("华南组"), Range((w.userid,)))
    made = w.client.create_strategy_tags(strategy_id, ["亲子", "自驾"], group_name="偏好")
    w.client.edit_strategy_tag(made.tags[0].wecom_id, name="带娃")
    [group] = w.client.strategy_tags(strategy_id)
    assert "带娃" in [tag.name for tag in group.tags]
    w.client.delete_strategy_tags([tag.wecom_id for tag in group.tags])
    assert w.client.strategy_tags(strategy_id) == []


# 4


@example(
    *(methods.CREATE_CONTACT_WAY, methods.CONTACT_WAY, methods.CONTACT_WAYS),
    *(methods.UPDATE_CONTACT_WAY, methods.DELETE_CONTACT_WAY),
)
def keeping_contact_ways(w):
    way = ContactWay((w.userid, w.heir), state="xhs-0715", remark="小红书 7 月", is_exclusive=True)
    made = w.client.create_contact_way(way)
    assert made.qr_code and made.config_id in w.client.contact_way_ids()
    found = w.client.contact_way(made.config_id)
    assert (found.userids, found.state, found.qr_code) == (way.userids, way.state, made.qr_code)
    w.client.update_contact_way(made.config_id, ContactWay((w.heir,), state="xhs-0801"))
    found = w.client.contact_way(made.config_id)
    assert (found.userids, found.remark, found.is_exclusive) == ((w.heir,), "", False)
    w.client.delete_contact_way(made.config_id)
    assert made.config_id not in w.client.contact_way_ids()


@example(methods.CLOSE_TEMPORARY_CHAT)
def closing_a_temporary_chat(w):
    chat = TemporaryChat(closing_text="期待下次同行", closing=CARD)
    made = w.client.create_contact_way(ContactWay((w.userid,), temporary=chat))
    found = w.client.contact_way(made.config_id)
    assert (found.temporary, found.is_single) == (chat, True)
    added = w.sandbox.step("scan", config_id=made.config_id, accept=True)
    w.client.close_temporary_chat(w.userid, added["ExternalUserID"])
    w.client.close_temporary_chat(w.userid, added["ExternalUserID"])


@example(
    *(methods.CREATE_JOIN_WAY, methods.JOIN_WAY),
    *(methods.UPDATE_JOIN_WAY, methods.DELETE_JOIN_WAY),
)
def keeping_join_ways(w):
    way = JoinWay((w.chat_id,), state="grp-sanya", group_name="三亚亲子游", first_number=12)
    config_id = w.client.create_join_way(way).config_id
    found = w.client.join_way(config_id)
    assert (found.chat_ids, found.state, found.group_name) == (
        way.chat_ids,
        way.state,
        "三亚亲子游",
    )
    w.client.update_join_way(config_id, JoinWay((w.chat_id,), opens_groups=False))
    assert not w.client.join_way(config_id).opens_groups
    w.client.delete_join_way(config_id)


@example(
    *(methods.LINKS, methods.LINK, methods.CREATE_LINK, methods.UPDATE_LINK),
    *(methods.DELETE_LINK, methods.LINK_QUOTA),
)
def keeping_links(w):
    made = w.client.create_link(AcquisitionLink("抖音直播", (w.userid,)))
    assert made.link_id in w.client.link_ids()
    better = AcquisitionLink("抖音直播 2", (w.userid,), prefers=2, preferred_userids=(w.userid,))
    w.client.update_link(made.link_id, better)
    found = w.client.link(made.link_id)
    assert (found.name, found.preferred_userids) == (better.name, better.preferred_userids)
    assert found.address("直播 1").endswith("?customer_channel=%E7%9B%B4%E6%92%AD%201")
    assert w.client.link_quota().balance == sum(w.client.link_quota().expiring.values())
    w.client.delete_link(made.link_id)


@example(methods.LINK_CUSTOMERS, methods.LINK_FIGURES, methods.LINK_CHAT)
def following_a_link(w):
    link_id = w.client.create_link(AcquisitionLink("抖音直播", (w.userid,))).link_id
    added = w.sandbox.step("click_link", link_id=link_id, state="live")
    pair = {"userid": added["UserID"], "external_userid": added["ExternalUserID"]}
    third = [w.sandbox.step("chat", **pair) for _ in range(3)][-1]
    chat = w.client.link_chat(third["ChatKey"])
    assert (chat.external_userid, chat.messages, chat.state) == (pair["external_userid"], 3, "live")
    [customer] = w.client.link_customers(link_id)
    assert customer.has_written and customer.state == "live"
    figures = w.client.link_figures(link_id, timezone.now(), timezone.now())
    assert (figures.clicks, figures.added) == (1, 1)


# 5 and 6


@example(methods.SEND_WELCOME)
def welcoming(w):
    step = w.sandbox.step("add", userid=w.userid)
    w.client.send_welcome(code=step["WelcomeCode"], text="你好，我是小李", attachments=[CARD])


@example(
    *(methods.CREATE_GROUP_WELCOME, methods.GROUP_WELCOME),
    *(methods.EDIT_GROUP_WELCOME, methods.DELETE_GROUP_WELCOME),
)
def keeping_group_welcomes(w):
    welcome = GroupWelcome("欢迎 %NICKNAME%", CARD)
    template_id = w.client.create_group_welcome(welcome)
    assert w.client.group_welcome(template_id) == welcome
    w.client.edit_group_welcome(template_id, GroupWelcome("欢迎同行", CARD))
    assert w.client.group_welcome(template_id).text == "欢迎同行"
    w.client.delete_group_welcome(template_id)


@example(
    *(methods.CREATE_MASS_SEND, methods.MASS_SENDS, methods.MASS_SEND_TASKS),
    *(methods.MASS_SEND_RESULTS, methods.REMIND_MASS_SEND, methods.CANCEL_MASS_SEND),
)
def sending_to_many(w):
    made = w.client.create_mass_send(
        sender=w.userid, external_userids=w.customers, text="开放预订", attachments=[CARD]
    )
    w.later(4)
    assert made.msgid in [seen.msgid for seen in w.client.mass_sends(*w.around_now())]
    assert w.client.mass_send_tasks(made.msgid)
    assert list(
        w.client.mass_send_results(made.msgid, w.client.mass_send_tasks(made.msgid)[0].userid)
    )
    w.client.remind_mass_send(made.msgid)
    w.client.cancel_mass_send(made.msgid)


# 7


@example(
    *(methods.CREATE_MOMENT, methods.MOMENT_JOB, methods.MOMENTS, methods.MOMENT_TASKS),
    *(methods.MOMENT_CUSTOMERS, methods.MOMENT_VISIBLE_TO, methods.MOMENT_COMMENTS),
    *(methods.CANCEL_MOMENT, methods.UPLOAD_ATTACHMENT),
)
def posting_a_moment(w):
    media = w.client.upload_attachment(PNG, name="厦门.png")
    jobid = w.client.create_moment(text="五月厦门", image_ids=[media.media_id], userids=[w.userid])
    w.later(4)
    moment_id = w.client.moment_job(jobid).moment_id
    assert moment_id in [moment.moment_id for moment in w.client.moments(*w.around_now())]
    w.sandbox.step("publish_moment", moment_id=moment_id, userid=w.userid)
    assert w.client.moment_tasks(moment_id)[0].is_published
    chosen = w.client.moment_customers(moment_id, w.userid)
    assert set(w.client.moment_visible_to(moment_id, w.userid)) <= set(chosen)
    w.client.moment_comments(moment_id, w.userid)
    w.client.cancel_moment(moment_id)


# 8, 9, 10


@example(methods.GROUPS, methods.GROUP, methods.GROUP_OF_OPENGID)
def reading_groups(w):
    group = w.client.group(w.chat_id)
    assert w.chat_id in w.client.groups(owners=[group.owner])
    assert w.client.group_of_opengid("og" + w.chat_id[2:]) == w.chat_id


@example(methods.GROUP_FIGURES, methods.GROUP_DAYS)
def counting_in_groups(w):
    owner = w.client.group(w.chat_id).owner
    figures = w.client.group_figures([owner], *w.last_days(7))
    assert figures[owner].groups >= 1
    days = w.client.group_days([owner], *w.last_days(7))
    assert len(days) == 7 and sum(day.messages for day in days) == figures[owner].messages


@example(methods.TRANSFER_GROUPS)
def giving_a_group_away(w):
    owner = w.client.group(w.chat_id).owner
    heir = next(u for u in w.userids if u != owner)
    assert w.client.transfer_groups(chat_ids=[w.chat_id], owner=heir) == []


@example(methods.TRANSFER_CUSTOMERS, methods.TRANSFER_RESULTS)
def giving_customers_away(w):
    pair = {"handover_userid": w.userid, "takeover_userid": w.heir}
    alone = next(c for c in w.customers if len(w.client.contact(c).relations) == 1)
    [started] = w.client.transfer_customers(**pair, external_userids=[alone], message="新顾问")
    assert started.code == 0 and len(w.client.transfer_results(**pair)) == 1


@example(
    *(methods.UNASSIGNED, methods.TRANSFER_RESIGNED, methods.RESIGNED_RESULTS),
    methods.TRANSFER_RESIGNED_GROUPS,
)
def inheriting_from_somebody_who_left(w):
    giver = w.client.group(w.chat_id).owner
    heir = next(u for u in w.userids if u != giver)
    w.sandbox.step("member_leave", userid=giver)
    orphans = [seen.external_userid for seen in w.client.unassigned() if seen.userid == giver]
    pair = {"handover_userid": giver, "takeover_userid": heir, "resigned": True}
    w.client.transfer_customers(**pair, external_userids=orphans[:1])
    assert len(w.client.transfer_results(**pair)) == 1
    assert w.client.transfer_groups(chat_ids=[w.chat_id], owner=heir, resigned=True) == []


@example(methods.BEHAVIOR)
def reading_behaviour(w):
    assert len(w.client.behavior_data(w.userid, *w.last_days(7))) == 7


# 11 and 12.1


@example(
    *(methods.CREATE_RULE, methods.RULES, methods.RULE),
    *(methods.UPDATE_RULE, methods.DELETE_RULE),
)
def keeping_word_rules(w):
    rule = WordRule("飞单防护", ("加我微信", "私下转账"), Range((w.userid,)), semantics=(1, 3))
    rule_id = w.client.create_rule(rule)
    assert rule_id in [seen.rule_id for seen in w.client.rules()]
    before = w.client.rule(rule_id)
    assert (before.words, before.semantics, before.applies_to) == (
        rule.words,
        rule.semantics,
        rule.applies_to,
    )
    after = WordRule("飞单防护", ("加我微信",), Range((w.heir,)), blocks=False)
    w.client.update_rule(rule_id, after, before=before)
    found = w.client.rule(rule_id)
    assert (found.words, found.semantics, found.applies_to, found.blocks) == (
        after.words,
        (),
        after.applies_to,
        False,
    )
    w.client.delete_rule(rule_id)
    assert w.client.rules() == []


@example(
    *(methods.CREATE_PRODUCT, methods.PRODUCT, methods.PRODUCTS),
    *(methods.UPDATE_PRODUCT, methods.DELETE_PRODUCT),
)
def keeping_products(w):
    picture = w.client.upload_album_picture(PNG, name="三亚.png")
    product = Product("三亚 5 日亲子", 399_900, (picture.media_id,), number="SY005")
    product_id = w.client.create_product(product)
    assert product_id in [seen.product_id for seen in w.client.products()]
    w.client.update_product(product_id, Product("三亚 6 日亲子", 459_900, (picture.media_id,)))
    found = w.client.product(product_id)
    assert (found.description, found.price_cents) == ("三亚 6 日亲子", 459_900)
    w.client.delete_product(product_id)
    assert product_id not in [seen.product_id for seen in w.client.products()]


# 12.2 and 12.4


@example(methods.UPLOAD_MEDIA, methods.DOWNLOAD_MEDIA, methods.UPLOAD_PICTURE)
def uploading(w):
    media = w.client.upload_media(PNG, name="三亚.png", kind="image")
    assert w.client.download_media(media.media_id).content == PNG
    assert w.client.upload_picture(PNG, name="三亚.png").startswith("https://")


@example(methods.UPLOAD_BY_URL, methods.UPLOAD_JOB)
def letting_wecom_fetch(w):
    content = b"a file of ours" * 10
    server = _serving(content)
    try:
        url = f"http://127.0.0.1:{server.server_port}/itinerary.txt"
        jobid = w.client.upload_by_url(url, content, name="行程.txt", kind="file")
        eventually(lambda: w.client.upload_job(jobid).is_finished)
        assert w.client.upload_job(jobid).media is not None
    finally:
        server.shutdown()
        server.server_close()


@example(methods.SEND_APP_MESSAGE, methods.RECALL_APP_MESSAGE)
def writing_to_agents(w):
    sent = w.client.send_app_message([w.userid, "nobody"], "请在今天发表")
    assert sent.invalid_userids == ("nobody",)
    w.client.recall_app_message(sent.msgid)
    w.client.send_app_card(
        [w.userid],
        title="待发表",
        description="《五月厦门》",
        url="https://a.example",
        button="去看看",
    )


@example(methods.UPDATE_APP_CARD)
def changing_a_card(w):
    card = {"card_type": "button_interaction", "task_id": "t1"}
    sent = w.client.send_app_content([w.userid], "template_card", card)
    w.client.update_app_card(sent.card_code, [w.userid], button="已处理")


# 14.8


@example(
    *(methods.ARCHIVED_MEMBERS, methods.CONSENTS, methods.GROUP_CONSENTS),
    *(methods.INTERNAL_GROUP, methods.ROBOT),
)
def asking_about_the_archive(w):
    assert w.userid in w.archive.archived_members()
    w.sandbox.step("agree", userid=w.userid, external_userid=w.customers[0])
    pairs = [(w.userid, key) for key in w.customers[:2]] * 60  # More than one call takes.
    consents = w.archive.consents(pairs)
    assert len(consents) == 120 and consents[0].is_agreed and consents[0].at
    assert w.archive.group_consents(w.chat_id)
    room = w.sandbox.step("room_create", name="产品组")["roomid"]
    assert w.archive.internal_group(room).name == "产品组"
    assert w.archive.robot("wbsandbox").creator


def _serving(content: bytes) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server
