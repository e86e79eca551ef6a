"""Every component on one page, with the addresses that answer them; URLs of test_components.py."""

from datetime import date, timedelta
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from config.urls import handler403, handler404, handler500
from config.urls import urlpatterns as product
from crm.agents.access import SIGNED_IN
from crm.shared.http import STOP_POLLING, toast
from crm.shared.paging import Page

__all__ = ["handler403", "handler404", "handler500", "urlpatterns"]

NAMES = ["王小雨", "Nguyễn Thị", "محمد", "欧阳娜娜的妈妈是一位很爱旅行的阿姨", "𠮷田"]
TOTAL = 12_345


class PostForm(forms.Form):
    title = forms.CharField(label="标题", help_text="给同事看的名字")
    text = forms.CharField(label="正文", widget=forms.Textarea, required=False)
    kind = forms.ChoiceField(label="种类", choices=[("a", "图片"), ("b", "链接")])
    tags = forms.MultipleChoiceField(
        label="标签", choices=[("1", "亲子"), ("2", "海岛")], widget=forms.CheckboxSelectMultiple
    )
    agreed = forms.BooleanField(label="已核对")


def signed_in(view):
    view.policy = SIGNED_IN
    return view


@signed_in
def gallery(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        # Not kept in the session: the poll beside it writes that too, and the last one would win.
        return redirect(f"{reverse('gallery')}?{urlencode({'posted': request.POST.urlencode()})}")
    form = PostForm({} if "wrong" in request.GET else None)
    rows = [
        {"pk": n, "name": name, "n": n * 3, "cents": n * 123_450} for n, name in enumerate(NAMES)
    ]
    monday = date(2026, 11, 2)
    context = {
        "form": form,
        "page": Page(rows, "next", "", TOTAL, is_exact=False),
        "now": timezone.now(),
        "weeks": [[monday + timedelta(days=7 * w + d) for d in range(7)] for w in range(4)],
        "today": date(2026, 11, 18),
        "posted": request.GET.get("posted", ""),
        "chips": [
            {"label": "标签", "value": "亲子", "clear_href": "?", "field": PostForm()["tags"]}
        ],
        "tabs": [
            {"label": "全部", "href": "?", "current": True, "count": 8120},
            {"label": "待处理", "href": "?todo", "current": False, "count": 12},
        ],
    }
    return render(request, "gallery.html", context)


@signed_in
def people(request: HttpRequest) -> HttpResponse:
    return HttpResponse('<ul class="list" data-panel-title="3 位客户"><li>王小雨</li></ul>')


@signed_in
def ticks(request: HttpRequest) -> HttpResponse:
    """Counts its calls; the third ends the poll."""
    seen = request.session["ticks"] = request.session.get("ticks", 0) + 1
    polled = request.headers.get("X-Changke-Poll", "")
    return HttpResponse(f"{seen}/{polled}", status=STOP_POLLING if seen >= 3 else 200)


@signed_in
@require_POST
def archive(request: HttpRequest) -> HttpResponse:
    return toast(HttpResponse(), "已归档", undo_url="/gallery/undo/")


@signed_in
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    return toast(HttpResponse(), "已恢复")


@signed_in
def broken(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=503)


urlpatterns = [
    path("gallery/", gallery, name="gallery"),
    path("gallery/people/", people),
    path("gallery/ticks/", ticks),
    path("gallery/archive/", archive),
    path("gallery/undo/", undo),
    path("gallery/broken/", broken),
    *product,
]
