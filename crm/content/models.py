"""Materials with their versions and uses, and words that nobody should send."""

import calendar
import uuid
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.agents.access import Permission
from crm.agents.models import Agent, User
from crm.catalog.models import Route
from crm.customers.models import Tag
from crm.outbox.models import DatedRule
from crm.shared.models import ScopedManager, TimeStamped
from crm.shared.times import local_day
from crm.trials.models import Trial


class CardFact(models.TextChoices):
    """What a product card tells of the strain of a trip; rules may make any of it mandatory."""

    DRIVE = "drive", _("车程")
    WALK = "walk", _("步行距离")
    ROOM = "room", _("房间条件")


# The field that holds each fact.
FACT_FIELDS = {
    CardFact.DRIVE: "drive_minutes",
    CardFact.WALK: "walk_metres",
    CardFact.ROOM: "room",
}


class MaterialQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "MaterialQuerySet":
        """The company's and gold ones; personal ones by their author and whoever may grant gold.

        Other systems read what is the company's.
        """
        if not user.is_authenticated or not (
            user.can(Permission.CONTENT_VIEW) or user.can(Permission.API_CONTENT)
        ):
            return self.none()
        shared = ~Q(tier=Material.Tier.PERSONAL) | Q(owner=user)
        if user.can(Permission.CONTENT_APPROVE):
            shared |= Q(owner__agent__in=Agent.objects.for_user(user))
        return self.filter(shared)

    def usable(self, day) -> "MaterialQuerySet":
        """Neither archived nor expired on this day."""
        return self.filter(is_archived=False).exclude(expires_on__lt=day)


def picture_path(picture: "MaterialPicture", _name: str) -> str:
    """Our own name under MEDIA_ROOT; the uploader's file name is never used."""
    return f"materials/{picture.pk.hex[:2]}/{picture.pk.hex}.{picture.extension}"


class MaterialPictureQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> "MaterialPictureQuerySet":
        """Own uploads, and pictures of any version of a material that the user may see."""
        seen = Material.objects.for_user(user)
        kept = MaterialVersion.objects.filter(material__in=seen, picture=OuterRef("pk"))
        return self.filter(Q(uploaded_by=user) | Exists(kept))


class MaterialPicture(models.Model):
    """素材图片: as we re-encoded it, never changed; ``media_id`` is WeCom's, good for three days.

    ``address`` is WeCom's lasting one, as links of mass messages show it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    file = models.FileField(upload_to=picture_path)
    extension = models.CharField(max_length=4)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    media_id = models.CharField(max_length=256, blank=True)
    media_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=2048, blank=True)
    uploaded_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    uploaded_at = models.DateTimeField(auto_now_add=True)

    unsafe_all = MaterialPictureQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("素材图片")
        verbose_name_plural = _("素材图片")

    def __str__(self) -> str:
        return f"{self.width}×{self.height} {self.sha256[:8]}"


class Said(models.Model):
    """Everything of a material that customers read; each version keeps its own."""

    text = models.TextField(_("文字"), blank=True)
    link_url = models.CharField(_("链接地址"), max_length=2048, blank=True)
    link_title = models.CharField(_("链接标题"), max_length=128, blank=True)
    route = models.ForeignKey(
        Route, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("线路")
    )
    price_cents = models.BigIntegerField(_("价格（分）"), null=True, blank=True)
    drive_minutes = models.PositiveIntegerField(_("车程（分钟）"), null=True, blank=True)
    walk_metres = models.PositiveIntegerField(_("步行距离（米）"), null=True, blank=True)
    room = models.CharField(_("房间条件"), max_length=128, blank=True)
    picture = models.ForeignKey(
        MaterialPicture,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("图片"),
    )
    app_id = models.CharField(_("小程序 AppID"), max_length=64, blank=True)
    app_page = models.CharField(_("小程序页面"), max_length=1024, blank=True)

    class Meta:
        abstract = True


SAID = tuple(field.attname for field in Said._meta.local_fields)


class Material(Said, TimeStamped):
    """素材: words, a picture, a card or a script; its fields are those of the newest version."""

    class Kind(models.TextChoices):
        TEXT = "text", _("文字")
        LINK = "link", _("链接")
        IMAGE = "image", _("图片")
        PROGRAM = "program", _("小程序")
        ARTICLE = "article", _("图文")
        PRODUCT = "product", _("产品卡片")
        SCRIPT = "script", _("话术")

    class Tier(models.TextChoices):
        PERSONAL = "personal", pgettext_lazy("script", "个人")
        COMPANY = "company", pgettext_lazy("script", "公司")
        GOLD = "gold", pgettext_lazy("script", "金牌")

    kind = models.CharField(_("种类"), max_length=8, choices=Kind.choices)
    tier = models.CharField(_("级别"), max_length=8, choices=Tier.choices)
    title = models.CharField(_("名称"), max_length=64)
    topic = models.CharField(_("主题"), max_length=32, blank=True)
    version = models.IntegerField(_("版本"), default=1)
    owner = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("作者"))
    trial = models.OneToOneField(
        Trial,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="script",
        verbose_name=_("对照试验"),
    )
    expires_on = models.DateField(_("有效期至"), null=True, blank=True)
    reuse_days = models.PositiveSmallIntegerField(_("同一客户间隔天数"), default=0)
    is_archived = models.BooleanField(_("已归档"), default=False)
    proposed_at = models.DateTimeField(_("申请金牌"), null=True)
    approved_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("审批人")
    )
    approved_at = models.DateTimeField(_("审批时间"), null=True)

    unsafe_all = MaterialQuerySet.as_manager()
    objects = ScopedManager()

    class Meta:
        verbose_name = _("素材")
        verbose_name_plural = _("素材")
        ordering = ["-updated_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(tier="gold") | Q(approved_by__isnull=False),
                name="gold_is_granted_by_somebody",
            )
        ]

    def __str__(self) -> str:
        return self.title


class MaterialVersion(Said):
    """素材版本: what a material said from then on."""

    material = models.ForeignKey(Material, models.CASCADE, related_name="versions")
    number = models.IntegerField(_("版本"))
    saved_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    saved_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("素材版本")
        verbose_name_plural = _("素材版本")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["material", "number"], name="a_version_is_saved_once")
        ]

    def __str__(self) -> str:
        return f"{self.material_id}.{self.number}"


class ArticleBlock(models.Model):
    """图文的一块: one version of an article is read block by block, from the lowest position on.

    ``source`` is the version of the picture or product card that it shows, as it was saved then.
    """

    class Kind(models.TextChoices):
        HEADING = "heading", _("小标题")
        TEXT = "text", _("段落")
        PICTURE = "picture", _("图片")
        CARD = "card", _("产品卡片")

    version = models.ForeignKey(MaterialVersion, models.CASCADE, related_name="blocks")
    position = models.PositiveSmallIntegerField(_("位置"))
    kind = models.CharField(_("种类"), max_length=8, choices=Kind.choices)
    text = models.TextField(_("文字"), blank=True)
    button = models.CharField(_("按钮文字"), max_length=12, blank=True)
    source = models.ForeignKey(MaterialVersion, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("图文的一块")
        verbose_name_plural = _("图文的一块")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="a_position_has_one_block")
        ]

    def __str__(self) -> str:
        return f"{self.version_id}.{self.position} {self.kind}"


class MaterialUse(models.Model):
    """素材使用: one version went into one send, or was copied by somebody."""

    material = models.ForeignKey(Material, models.CASCADE, related_name="uses")
    version = models.IntegerField(_("版本"))
    subject_type = models.CharField(_("用于"), max_length=16)
    subject_id = models.BigIntegerField(null=True)
    used_at = models.DateTimeField(_("时间"))
    used_by = models.ForeignKey(User, models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("素材使用")
        verbose_name_plural = _("素材使用")
        constraints = [
            models.UniqueConstraint(
                fields=["subject_type", "subject_id"],
                condition=Q(subject_id__isnull=False),
                name="a_send_uses_one_material",
            )
        ]

    def __str__(self) -> str:
        return f"{self.material_id} {self.subject_type}"


class SensitiveWord(models.Model):
    """敏感词: what no text of ours may say; signs and blanks in it count for nothing."""

    word = models.CharField(_("词"), max_length=32, unique=True)
    reason = models.CharField(_("原因"), max_length=128, blank=True)
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("敏感词")
        verbose_name_plural = _("敏感词")
        ordering = ["word"]

    def __str__(self) -> str:
        return self.word

    def clean(self) -> None:
        """Signs are skipped when words are looked for, so a word of signs alone finds nothing."""
        if self.word and not any(sign.isalnum() for sign in self.word):
            raise ValidationError({"word": _("请写含有文字或数字的词：查找时会跳过符号和空格")})


class FactRule(DatedRule):
    """必填规则: what a product card must tell before it is offered to such customers.

    Whoever carries the tag or is old enough is meant. Several tags are several rules.
    """

    name = models.CharField(_("人群名称"), max_length=32, help_text=_("例如：银发"))
    tag = models.ForeignKey(
        Tag, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("客户标签")
    )
    age_from = models.PositiveSmallIntegerField(
        _("年龄不小于"), null=True, blank=True, help_text=_("按生日计算；没有生日的客户不算在内")
    )
    facts = ArrayField(
        models.CharField(max_length=8, choices=CardFact.choices),
        default=list,
        blank=True,
        verbose_name=_("必填的产品信息"),
    )

    class Meta:
        ordering = ["code", "-valid_from"]
        verbose_name = _("产品信息必填规则")
        verbose_name_plural = _("产品信息必填规则")
        constraints = [
            models.UniqueConstraint(fields=["code", "valid_from"], name="fact_rule_once_per_date")
        ]

    def clean(self) -> None:
        """A rule that means nobody or asks for nothing is refused, naming the field."""
        if self.is_off:
            return
        if self.tag_id is None and not self.age_from:
            raise ValidationError({"tag": _("请选客户标签，或填写年龄")})
        if not self.facts:
            raise ValidationError({"facts": _("请选至少一项产品信息")})

    def customers(self, at: datetime) -> Q:
        """The condition of those who are meant at an instant."""
        meant = Q(pk__in=())
        if self.tag_id is not None:
            meant |= Q(tag_ids__contains=[self.tag_id])
        if self.age_from:
            today = local_day(at)
            year = max(today.year - self.age_from, 1)
            # Not every year has the day that a leap year has.
            has_day = (today.month, today.day) != (2, 29) or calendar.isleap(year)
            born = today.replace(year=year) if has_day else today.replace(year=year, day=28)
            meant |= Q(birthday__lte=born)
        return meant
