"""The pages of the Django site."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import include, path


def home(request: HttpRequest) -> JsonResponse:
    if not request.user.is_authenticated:
        return JsonResponse({"user": None}, status=401)
    return JsonResponse({"user": request.user.username, "email": request.user.email})


def failed(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"failed": True, "user": request.user.username or None}, status=403)


urlpatterns = [path("", home), path("failed", failed), path("oidc/", include("mozilla_django_oidc.urls"))]
