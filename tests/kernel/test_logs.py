"""Log lines and error pages carry nothing about a resident."""

import io
import logging

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.test import Client, override_settings
from django.urls import path

from salus.kernel.logs import SafeFormatter

NAME, NUMBER, PHONE = "王小明", "11010119800203001X", "13800138000"


def fail(request: HttpRequest, name: str) -> None:
    try:
        raise KeyError(NUMBER)
    except KeyError as error:
        raise RuntimeError(f"{name} {NUMBER} {PHONE}") from error


def absent(request: HttpRequest, name: str) -> None:
    raise Http404(f"{name} {NUMBER}")


def refuse(request: HttpRequest, name: str) -> None:
    raise PermissionDenied(f"{name} {NUMBER}")


def urls() -> list[object]:
    from salus.urls import urlpatterns

    mine = [path(f"{view.__name__}/<str:name>", view) for view in (fail, absent, refuse)]  # type: ignore[arg-type]
    return [*mine, *urlpatterns]


class Addresses:
    """The platform's addresses and three that fail with a resident's data in hand."""

    handler400 = "salus.web.pages.errors.bad_request"
    handler403 = "salus.web.pages.errors.refused"
    handler404 = "salus.web.pages.errors.not_found"
    handler500 = "salus.web.pages.errors.failed"

    @property
    def urlpatterns(self) -> list[object]:
        return urls()


@pytest.fixture
def lines() -> io.StringIO:
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(SafeFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield told
    root.removeHandler(handler)


@pytest.mark.django_db(databases=["default", "audit"])
@pytest.mark.parametrize(("kind", "status"), [("fail", 500), ("absent", 404), ("refuse", 403)])
def test_an_error_says_nothing_about_a_resident(lines: io.StringIO, kind: str, status: int) -> None:
    client = Client(raise_request_exception=False)
    with override_settings(ROOT_URLCONF=Addresses(), DEBUG=False):
        answer = client.get(f"/{kind}/{NAME}", {"q": NUMBER})
    assert answer.status_code == status
    shown = answer.content.decode() + str(answer.headers) + lines.getvalue()
    for secret in (NAME, NUMBER, NUMBER[:17], PHONE, "Traceback"):
        assert secret not in shown
    if status == 500:
        assert "GET fail/<str:name> 500" in lines.getvalue()
        assert "builtins.RuntimeError" in lines.getvalue() and "builtins.KeyError" in lines.getvalue()
        assert "test_logs.py:" in lines.getvalue()


def test_a_message_with_a_number_or_a_name_is_blotted(lines: io.StringIO) -> None:
    logging.getLogger("salus.somewhere").error("could not read %s of %s", NUMBER, NAME)
    assert "could not read # of …" in lines.getvalue()


def test_the_platform_logs_only_through_the_safe_formatter(settings: object) -> None:
    configured = settings.LOGGING  # type: ignore[attr-defined]
    assert configured["root"]["handlers"] == ["safe"]
    assert all(not logger.get("handlers") for logger in configured["loggers"].values())
    assert {one["formatter"] for one in configured["handlers"].values()} == {"safe"}
