from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from crm.agents.access import public


@public
@csrf_exempt
def empty(request: HttpRequest) -> HttpResponse:
    """Answers without looking."""
    return HttpResponse(b"success", content_type="text/plain; charset=utf-8")


urlpatterns = [path("bench/empty/", empty), path("", include("config.urls"))]
