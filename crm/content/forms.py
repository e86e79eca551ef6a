"""A material as a form; it collects, the action decides."""

import uuid
from dataclasses import fields
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from crm.agents.access import Permission
from crm.agents.models import User
from crm.catalog.models import Route
from crm.content.actions import MaterialContent
from crm.content.block_forms import block_rows
from crm.content.blocks import Block
from crm.content.models import Material, MaterialPicture
from crm.content.pictures import store_picture
from crm.content.variables import OF_CARD
from crm.shared.pictures import PictureRefused

Kind, Tier = Material.Kind, Material.Tier
OF_PROGRAM = ("app_id", "app_page")
OF_PRODUCT = ("route", "price", "drive_minutes", "walk_metres", "room")


def _number(label: Any, most: int) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=0, max_value=most)


class MaterialForm(forms.Form):
    """What it says, for whom, and how often."""

    kind = forms.ChoiceField(
        label=_("种类"),
        choices=Kind.choices,
        widget=forms.Select(attrs={"data-decides": True}),
    )
    tier = forms.ChoiceField(
        label=_("级别"), choices=[c for c in Tier.choices if c[0] != Tier.GOLD]
    )
    title = forms.CharField(label=_("名称"), max_length=64, help_text=_("客户看不到"))
    topic = forms.CharField(
        label=pgettext_lazy("material", "主题"),
        required=False,
        max_length=32,
        help_text=_("例如：签证、亲子、早安"),
    )
    text = forms.CharField(
        label=_("文字"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 7}),
        help_text=_("变量写成 {{name|备用文字}}：name、agent、city、destination、field.代码"),
    )
    link_url = forms.CharField(label=_("链接地址"), required=False, max_length=2048)
    link_title = forms.CharField(
        label=_("链接标题"),
        required=False,
        max_length=128,
        help_text=_("也是小程序卡片和图文的标题"),
    )
    picture = forms.FileField(
        label=_("图片"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png"}),
        help_text=_("JPG 或 PNG，不超过 10 MB；链接、小程序和图文用作封面，小程序建议 520×416"),
    )
    app_id = forms.CharField(label=_("小程序 AppID"), required=False, max_length=64)
    app_page = forms.CharField(
        label=_("小程序页面"),
        required=False,
        max_length=1024,
        help_text=_("例如 pages/route/1.html；小程序须已关联到企业"),
    )
    route = forms.CharField(
        label=_("线路号"),
        required=False,
        max_length=64,
        help_text=_("线路的标题和价格会带过来；不选线路就自己写链接标题、链接地址和价格"),
    )
    price = forms.DecimalField(
        label=_("价格（元）"),
        required=False,
        min_value=0,
        max_digits=11,
        decimal_places=2,
        help_text=_("不填就是线路的价格"),
    )
    drive_minutes = _number(_("车程（分钟）"), 10_080)
    walk_metres = _number(_("步行距离（米）"), 1_000_000)
    room = forms.CharField(
        label=_("房间条件"),
        required=False,
        max_length=128,
        help_text=_("例如：电梯房，卫生间有扶手"),
    )
    expires_on = forms.DateField(
        label=_("有效期至"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    reuse_days = forms.IntegerField(
        label=_("同一客户间隔天数"),
        required=False,
        min_value=0,
        max_value=365,
        initial=0,
        help_text=_("这些天内收到过它的客户，群发时自动跳过"),
    )

    def __init__(self, *args: Any, user: User, material: Material | None, **kwargs: Any):
        self.user, self.material = user, material
        self._stored: MaterialPicture | None = None
        may_edit, data = user.can(Permission.CONTENT_EDIT), args[0] if args else None
        self.blocks = block_rows(data, user=user, material=material) if may_edit else None
        if material:
            kwargs["initial"] = _initial(material, self.base_fields)
        elif not user.can(Permission.CONTENT_EDIT):
            kwargs["initial"] = {"kind": Kind.SCRIPT, "tier": Tier.PERSONAL}
        super().__init__(*args, **kwargs)
        names = gettext("、").join(f"{{{{{name}}}}}" for name in OF_CARD)
        words = gettext("产品卡片的文字还可以用 %(names)s，填了就自动带出") % {"names": names}
        self.fields["text"].help_text = f"{self.fields['text'].help_text}{gettext('；')}{words}"
        if not user.can(Permission.CONTENT_EDIT):
            for name in (*OF_PRODUCT, *OF_PROGRAM, "picture"):
                del self.fields[name]
            self.fields["tier"].choices = [(Tier.PERSONAL, Tier.PERSONAL.label)]
            self.fields["kind"].choices = [(Kind.SCRIPT, Kind.SCRIPT.label)]
        elif material and material.tier == Tier.GOLD:
            self.fields["tier"].choices = [(Tier.COMPANY, Tier.COMPANY.label)]
            self.initial["tier"] = Tier.COMPANY

    def clean(self) -> dict[str, Any]:
        """Faults of the rows are told with the others."""
        words = gettext("正文第 %(n)s 行：%(words)s")
        for number, row in enumerate(self.blocks.forms if self.blocks else (), start=1):
            for errors in row.errors.values():
                self.add_error(None, words % {"n": number, "words": " ".join(errors)})
        return super().clean() or self.cleaned_data

    def clean_text(self) -> str:
        # Browsers send two bytes for a line break; WeCom counts what is sent.
        return self.cleaned_data["text"].replace("\r\n", "\n")

    def draft(self) -> MaterialContent:
        """What stands there so far, whatever else is missing or wrong."""
        self.is_valid()
        empty = {field.name: field.default for field in fields(MaterialContent)}
        empty |= {"kind": Kind.TEXT, "tier": Tier.COMPANY, "title": ""}
        given = {name: self.cleaned_data.get(name) for name in self.fields if name != "picture"}
        price = given.pop("price", None)
        known = {name: value for name, value in given.items() if value is not None}
        return MaterialContent(
            **empty
            | known
            | {
                "price_cents": None if price is None else int(price * 100),
                "picture": self.shown_picture,
                "blocks": self._blocks(),
            }
        )

    def clean_route(self) -> Route | None:
        number = self.cleaned_data["route"].strip()
        found = Route.objects.filter(route_no=number).first() if number else None
        if number and found is None:
            raise forms.ValidationError(_("没有这个线路号，请核对产品系统里的线路号"))
        return found

    @property
    def product_fields(self) -> list[forms.BoundField]:
        """Fields that only a product card has."""
        return [self[name] for name in OF_PRODUCT if name in self.fields]

    @property
    def common_fields(self) -> list[forms.BoundField]:
        """Fields of every kind."""
        own = (*OF_PRODUCT, *OF_PROGRAM, "picture")
        return [field for field in self if field.name not in own]

    @property
    def card_fields(self) -> list[forms.BoundField]:
        """Fields of mini-programs."""
        return [self[name] for name in OF_PROGRAM if name in self.fields]

    def store_upload(self) -> None:
        """Keep the picture that came with this request, so that an error elsewhere loses none."""
        self.is_valid()
        if "picture" in self.fields and (file := self.files.get("picture")):
            try:
                self._stored = store_picture(upload=file, name=file.name, by=self.user)
            except PictureRefused as refused:
                self.add_error("picture", str(refused))

    @property
    def shown_picture(self) -> MaterialPicture | None:
        """The picture that the next submission will keep."""
        if not self.is_bound:
            return self.material.picture if self.material else None
        return self._stored or self._kept()

    def _kept(self) -> MaterialPicture | None:
        try:
            asked = uuid.UUID(self.data.get("keep_picture", ""))
        except ValueError:
            return None
        return MaterialPicture.objects.for_user(self.user).filter(pk=asked).first()

    def content(self) -> MaterialContent:
        """What was written."""
        data = dict(self.cleaned_data)
        price, _file = data.pop("price", None), data.pop("picture", None)
        return MaterialContent(
            **data | {"reuse_days": data["reuse_days"] or 0},
            price_cents=None if price is None else int(price * 100),
            picture=self.shown_picture if "picture" in self.fields else None,
            blocks=self._blocks(),
        )

    def _blocks(self) -> tuple[Block, ...]:
        return self.blocks.blocks() if self.blocks and self.is_bound else ()


def _initial(material: Material, names: Any) -> dict[str, Any]:
    values = {name: getattr(material, name, None) for name in names if name != "picture"}
    price = material.price_cents
    return values | {
        "route": material.route.route_no if material.route else "",
        "price": None if price is None else Decimal(price) / 100,
    }
