"""What people fill in: a moment, a new time, a reason. Forms collect, actions decide."""

import uuid
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import URLValidator
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.agents.models import Agent, Department, User
from crm.articles.queries import opening
from crm.content.models import Material, MaterialPicture
from crm.customers.models import Tag
from crm.moments.audience import Choice
from crm.moments.content import LINK_TITLE_BYTES, MAX_IMAGES, TITLE_CHARS, MomentContent
from crm.moments.images import ImageRejected, store_image
from crm.moments.models import Moment, MomentImage
from crm.moments.schedule import WALL, wall_of
from crm.shared.times import local_day
from crm.trials.models import MOST_CONTROL

DEFAULT_TIME = time(10, 0)


class ManyFilesInput(forms.ClearableFileInput):
    """A file field that takes several files."""

    allow_multiple_selected = True
    template_name = "django/forms/widgets/file.html"


class ManyFilesField(forms.FileField):
    """Several files; each is checked where it is stored."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list:
        files = [file for file in (data if isinstance(data, list | tuple) else [data]) if file]
        return [forms.FileField.clean(self, file, initial) for file in files]


class WallTimeField(forms.DateTimeField):
    """A wall time as the browser's own picker gives it, without any zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 60}, format=WALL)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=[WALL, "%Y-%m-%d %H:%M"], **kwargs)

    def to_python(self, value: Any) -> datetime | None:
        parsed = super().to_python(value)
        return parsed and parsed.replace(tzinfo=None)


class AudienceForm(forms.Form):
    """Who publishes, and to whom."""

    everyone = forms.BooleanField(label=_("我管辖的全体员工"), required=False)
    departments = forms.ModelMultipleChoiceField(
        Department.objects.none(),
        label=_("发表部门"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    senders = forms.ModelMultipleChoiceField(
        None,
        label=_("发表员工"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    tags = forms.ModelMultipleChoiceField(
        Tag.objects.none(),
        label=_("客户标签"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("只有带其中任一标签的客户可见；不选发表员工时，由跟进这些客户的员工发表"),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        agents = Agent.objects.for_user(user)
        self.fields["senders"].queryset = agents.select_related("department")
        self.fields["senders"].label_from_instance = _agent_label
        self.fields["departments"].queryset = Department.objects.filter(
            is_active=True, pk__in=agents.values("department_id")
        )
        self.fields["tags"].queryset = Tag.objects.filter(is_deleted=False).select_related("group")
        self.fields["tags"].label_from_instance = lambda tag: f"{tag.group.name} · {tag.name}"

    def choice(self) -> Choice:
        """The audience as ticked; what does not exist is left out."""
        data = getattr(self, "cleaned_data", {})
        return Choice(
            everyone=bool(data.get("everyone")),
            sender_ids=_ids(data.get("senders")),
            department_ids=_ids(data.get("departments")),
            tag_ids=_ids(data.get("tags")),
        )


class MomentForm(AudienceForm):
    """A moment. Pictures are kept as soon as they arrive, so that an error elsewhere loses none."""

    title = forms.CharField(
        label=_("名称"), max_length=TITLE_CHARS, help_text=_("只在日历中显示，客户看不到")
    )
    text = forms.CharField(
        label=_("正文"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 7, "data-preview": "text"}),
    )
    images = ManyFilesField(
        label=_("图片"),
        required=False,
        help_text=_("最多 9 张 JPG 或 PNG，每张不超过 10 MB；与链接二选一"),
    )
    link_url = forms.CharField(
        label=_("链接地址"),
        required=False,
        max_length=1024,
        validators=[URLValidator(["http", "https"])],
        widget=forms.URLInput(attrs={"placeholder": "https://", "data-preview": "url"}),
    )
    link_title = forms.CharField(
        label=_("链接标题"),
        required=False,
        max_length=LINK_TITLE_BYTES,
        widget=forms.TextInput(attrs={"data-preview": "link", "data-bytes": LINK_TITLE_BYTES}),
    )
    cover = forms.FileField(label=_("链接封面"), required=False)
    publish_wall = WallTimeField(label=_("发表时间"))
    control_percent = forms.IntegerField(
        label=_("对照组比例（%）"),
        required=False,
        min_value=0,
        max_value=MOST_CONTROL,
        initial=0,
        help_text=_(
            "审批通过时，从人群标签的客户里随机留出这么多，观察期内取下他们的标签；"
            "没有对照组的朋友圈只能写“未证明”。须只选一个人群标签。"
        ),
    )

    def __init__(
        self,
        *args: Any,
        user: User,
        moment: Moment | None = None,
        material: Material | None = None,
        **kwargs: Any,
    ) -> None:
        self.user, self.moment, self.material = user, moment, material
        kwargs.setdefault("initial", {})
        if material and not moment:
            kwargs["initial"] |= opening(material, "moments")
        if moment is not None:
            kwargs["initial"] = _initial(moment) | kwargs["initial"]
        super().__init__(*args, user=user, **kwargs)
        for name in ("images", "cover"):
            accepts = {"accept": "image/jpeg,image/png", "data-preview": name}
            self.fields[name].widget.attrs.update(accepts)
        self.fields["publish_wall"].help_text = settings.CORP_TIME_ZONE
        self._added: list[uuid.UUID] = []
        self._cover_id: uuid.UUID | None = None
        self._images = self._known_images()

    def store_uploads(self) -> None:
        """Keep the pictures that came with this request; refusals go to their field."""
        self.is_valid()
        for file in self.files.getlist("images"):
            self._store(file, "images")
        if cover := self.files.get("cover"):
            self._store(cover, "cover")

    def _store(self, file: Any, field: str) -> None:
        try:
            image = store_image(upload=file, name=file.name, by=self.user)
        except ImageRejected as refusal:
            self.add_error(field, str(refusal))
            return
        self._images[str(image.pk)] = image
        if field == "cover":
            self._cover_id = image.pk
        else:
            self._added.append(image.pk)

    def _known_images(self) -> dict[str, MomentImage]:
        """Pictures of the moment, and of this form as it was sent: ``keep``, ``keep_cover``."""
        seen = MomentImage.objects.for_user(self.user)
        tied = Q(moment=self.moment) if self.moment else Q(pk=None)
        if not self.is_bound:
            return {str(image.pk): image for image in seen.filter(tied)}
        asked = {*self.data.getlist("keep"), self.data.get("keep_cover", "")}
        usable = seen.filter(tied | Q(moment=None, uploaded_by=self.user)).distinct()
        return {str(image.pk): image for image in usable if str(image.pk) in asked}

    @property
    def pictures(self) -> list[MomentImage]:
        """Pictures that the next submission will keep, in order."""
        if not self.is_bound:
            return [image for image in self._images.values() if not image.is_cover]
        wanted = [*self.data.getlist("keep"), *map(str, self._added)]
        return [self._images[key] for key in wanted if key in self._images]

    @property
    def cover_picture(self) -> MomentImage | None:
        """The cover that the next submission will keep."""
        if not self.is_bound:
            return next((image for image in self._images.values() if image.is_cover), None)
        return self._images.get(str(self._cover_id or self.data.get("keep_cover", "")))

    @property
    def library_picture(self) -> MaterialPicture | None:
        """The picture of the material, while the moment does not have it yet."""
        if self.moment is None or self.moment.material_id != self._material_id:
            return self.material.picture if self.material else None
        return None

    @property
    def _material_id(self) -> int | None:
        return self.material.pk if self.material else None

    @property
    def takes_library_picture(self) -> bool:
        """Whether it is to be shown; an open form says yes."""
        return not self.is_bound or bool(self.data.get("library_picture"))

    @property
    def room(self) -> int:
        """How many more pictures fit."""
        return MAX_IMAGES - len(self.pictures)

    def content(self) -> MomentContent:
        """What was filled in, for the action."""
        data, choice, cover = self.cleaned_data, self.choice(), self.cover_picture
        return MomentContent(
            title=data["title"],
            publish_wall=data["publish_wall"],
            zone=self.moment.zone if self.moment else settings.CORP_TIME_ZONE,
            text=data["text"],
            link_title=data["link_title"],
            link_url=data["link_url"],
            everyone=choice.everyone,
            sender_ids=choice.sender_ids,
            department_ids=choice.department_ids,
            tag_ids=choice.tag_ids,
            image_ids=tuple(image.pk for image in self.pictures),
            cover_id=cover.pk if cover else None,
            material_id=self._material_id,
            picture=self.library_picture if self.takes_library_picture else None,
            control_percent=data["control_percent"] or 0,
        )


class WhenForm(forms.Form):
    """Another time for a moment."""

    publish_wall = WallTimeField(label=_("发表时间"))
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)


class RejectForm(forms.Form):
    """Why it goes back to its author."""

    reason = forms.CharField(
        label=_("退回原因"), max_length=255, widget=forms.Textarea(attrs={"rows": 2})
    )


def default_wall(on: date | None, now: datetime) -> str:
    """The time that a new moment begins with: ten o'clock on the day asked for, else tomorrow."""
    day = on if on and on > local_day(now) else date.fromordinal(local_day(now).toordinal() + 1)
    return datetime.combine(day, DEFAULT_TIME).strftime(WALL)


def _initial(moment: Moment) -> dict[str, Any]:
    return {
        "title": moment.title,
        "text": moment.text,
        "link_url": moment.link_url,
        "link_title": moment.link_title,
        "everyone": moment.everyone,
        "senders": list(moment.senders.values_list("pk", flat=True)),
        "departments": list(moment.sender_departments.values_list("pk", flat=True)),
        "tags": list(moment.tags.values_list("pk", flat=True)),
        "publish_wall": wall_of(moment.publish_wall),
        "control_percent": moment.control_percent,
    }


def _ids(chosen: Any) -> tuple[int, ...]:
    return tuple(row.pk for row in chosen) if chosen is not None else ()


def _agent_label(agent: Agent) -> str:
    return f"{agent.name} · {agent.department.name}" if agent.department else agent.name
