"""What a person sees when an app asks to be let in, and the page where she takes it back."""

import base64
import hashlib
import html
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.test import Client as Browser
from django.utils import timezone, translation
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken

from salus.kernel import smart
from salus.kernel.models import Account, AuditRow
from salus.record.pages.smart_apps import origin
from salus.record.smart import apps, wording
from salus.web.translation import compile_catalogues
from tests.record.fhir.conftest import DATABASES, World

pytestmark = pytest.mark.django_db(databases=DATABASES)
BACKEND = "django.contrib.auth.backends.ModelBackend"
ASKED = {
    "response_type": "code",
    "client_id": "diary",
    "redirect_uri": "https://app.example/done",
    "scope": "launch/patient offline_access patient/*.rs user/Observation.cud",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
    "state": "s",
}
WORDS = {
    "en": [
        "Let Diary & <b>more</b> use data in your name?",
        "Know which record is yours",
        "Stay connected when you are not using it",
        "Read and search everything in your own record",
        "Create, change and delete in the records that you may see: Result",
        "Don't allow",
    ],
    "zh-hans": [
        "允许“Diary & <b>more</b>”以您的名义使用数据吗？",
        "得知哪一份档案是您本人的",
        "在您不使用时仍保持连接",
        "读取和检索您本人档案中的全部内容",
        "新建、修改和删除您可查看的档案中的：",
        "不允许",
    ],
}


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    compile_catalogues()


@pytest.fixture
def diary() -> Application:
    return Application.objects.create(
        client_id="diary",
        name="Diary & <b>more</b>",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris="https://app.example/done",
    )


@pytest.fixture
def resident(world: World) -> Account:
    return world.account("resident", person_id=uuid4())


def signed_in(account: Account, language: str = "en") -> Browser:
    browser = Browser()
    browser.force_login(account, backend=BACKEND)
    browser.cookies["django_language"] = language
    return browser


def given(account: Account, app: Application, *, hours: float = 1, renewable: bool = False) -> AccessToken:
    text = f"given-{AccessToken.objects.count()}"
    expires = timezone.now() + timedelta(hours=hours)
    token = AccessToken.objects.create(
        user=account, application=app, token=text, scope="patient/*.rs", expires=expires
    )
    if renewable:
        RefreshToken.objects.create(
            user=account, application=app, token=f"r-{text}", access_token=token, token_family=uuid4()
        )
    return token


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_question_names_the_app_and_its_scopes_in_words(
    diary: Application, resident: Account, language: str
) -> None:
    answer = signed_in(resident, language).get("/oauth/authorize/", ASKED)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<b>more</b>" not in page
    title = re.search("<title>(.*)</title>", page)
    assert title and html.unescape(title[1]) == f"{WORDS[language][0]} · Salus"
    shown = html.unescape(page)
    for words in [*WORDS[language], *ASKED["scope"].split(), resident.username, ">app.example<"]:
        assert words in shown, words
    assert "form-action 'self' https://app.example;" in answer["content-security-policy"] + ";"


@pytest.mark.parametrize("allow", [True, False])
def test_both_answers_lead_back_to_the_app(diary: Application, resident: Account, allow: bool) -> None:
    browser = signed_in(resident)
    page = browser.get("/oauth/authorize/", ASKED).content.decode()
    fields = {
        re.search('name="([^"]*)"', one)[1]: html.unescape((re.search('value="([^"]*)"', one) or ["", ""])[1])  # type: ignore[index]
        for one in re.findall("<input[^>]*hidden[^>]*>", page.split('<form method="post">')[-1])
    }
    answer = browser.post("/oauth/authorize/", fields | ({"allow": "true"} if allow else {}))
    assert answer.status_code == 302, answer.content
    back = urlsplit(answer["location"])
    assert back.netloc == "app.example"
    told = parse_qs(back.query)
    assert ("code" in told) is allow and ("error" in told) is not allow
    assert Grant.objects.filter(user=resident).exists() is allow
    (row,) = AuditRow.objects.filter(action="authorize")
    assert (row.actor, row.resource_id, row.outcome) == (
        resident.username,
        "diary",
        "ok" if allow else "denied",
    )
    assert row.person_id == resident.person_id and "offline_access" in row.detail


@pytest.mark.parametrize("stays", [True, False])
def test_only_an_app_that_asked_to_stay_may_renew(diary: Application, resident: Account, stays: bool) -> None:
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    scope = "patient/*.rs offline_access" if stays else "patient/*.rs"
    form = ASKED | {"allow": "true", "code_challenge": challenge, "scope": scope}
    browser = signed_in(resident)
    back = urlsplit(browser.post("/oauth/authorize/", form)["location"])
    sent = {
        "grant_type": "authorization_code",
        "code": parse_qs(back.query)["code"][0],
        "client_id": "diary",
        "redirect_uri": ASKED["redirect_uri"],
        "code_verifier": verifier,
    }
    answer = Browser().post("/oauth/token/", sent)
    assert answer.status_code == 200, answer.content
    assert ("refresh_token" in answer.json()) is stays
    assert RefreshToken.objects.filter(user=resident).exists() is stays


@pytest.mark.parametrize(
    ("changed", "english", "chinese"),
    [
        ({"client_id": "nobody"}, "No app is registered here", "此处没有登记"),
        ({"redirect_uri": "https://evil.example/"}, "not registered for it", "未为其登记的地址"),
    ],
)
def test_a_wrong_request_is_explained_and_leads_nowhere(
    diary: Application, resident: Account, changed: dict[str, str], english: str, chinese: str
) -> None:
    for language, words in (("en", english), ("zh-hans", chinese)):
        answer = signed_in(resident, language).get("/oauth/authorize/", ASKED | changed)
        page = answer.content.decode()
        assert answer.status_code == 400
        assert words in page and "Traceback" not in page
        assert "evil.example" not in page + answer["content-security-policy"]


@pytest.mark.parametrize("form", [{}, ASKED | {"client_id": "nobody", "allow": "true"}])
def test_an_answer_to_no_question_is_refused(
    diary: Application, resident: Account, form: dict[str, str]
) -> None:
    answer = signed_in(resident).post("/oauth/authorize/", form)
    assert answer.status_code == 400
    assert "The app could not be connected" in answer.content.decode()


def test_a_stranger_is_sent_to_sign_in(diary: Application) -> None:
    for path in ("/oauth/authorize/", "/oauth/apps/", f"/oauth/apps/{diary.pk}/revoke/"):
        answer = Browser().get(path, ASKED)
        assert answer.status_code == 302 and "/accounts/login/" in answer["location"], path


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_list_shows_what_is_in_force_only(
    world: World, diary: Application, resident: Account, language: str
) -> None:
    browser = signed_in(resident, language)
    given(resident, diary, hours=-1)
    given(world.account("resident", person_id=uuid4()), diary)  # another's
    assert "Diary" not in browser.get("/oauth/apps/").content.decode()
    given(resident, diary, hours=-1, renewable=True)
    page = html.unescape(browser.get("/oauth/apps/").content.decode())
    assert page.count('<th scope="row">Diary') == 1
    assert WORDS[language][3] in page and "patient/*.rs" in page
    (held,) = apps.connected(resident.pk, now=timezone.now())
    assert held.renews
    left = held.until - timezone.now()
    assert timedelta(days=29.9) < left < timedelta(days=30)  # 30 days from the end of the access token
    assert not apps.connected(resident.pk, now=timezone.now() + timedelta(days=30))


def test_taking_back_ends_everything_of_that_app_and_nothing_else(
    world: World, diary: Application, resident: Account
) -> None:
    other = Application.objects.create(client_id="other", authorization_grant_type="authorization-code")
    neighbour = world.account("resident", person_id=uuid4())
    given(resident, diary, renewable=True), given(resident, diary), given(resident, other)
    given(neighbour, diary, renewable=True)
    browser, path = signed_in(resident), f"/oauth/apps/{diary.pk}/revoke/"
    asked = browser.get(path).content.decode()
    assert "Take back what you gave" in asked and AccessToken.objects.count() == 4  # asking changes nothing
    answer = browser.post(path, follow=True)
    shown = html.unescape(answer.content.decode())
    assert "can no longer use data in your name" in shown and ">other<" in shown
    assert list(AccessToken.objects.filter(user=resident).values_list("application", flat=True)) == [other.pk]
    assert not RefreshToken.objects.filter(user=resident, revoked=None).exists()
    assert AccessToken.objects.filter(user=neighbour).exists()
    assert RefreshToken.objects.filter(user=neighbour, revoked=None).exists()
    assert browser.post(path).status_code == 404
    assert AuditRow.objects.filter(action="revoke", resource_id="diary", outcome="ok").count() == 1


def test_every_scope_that_can_be_asked_for_has_words() -> None:
    with translation.override("en"):
        assert wording.in_words("user/*.read") == wording.in_words("user/*.rs")
        assert wording.in_words("patient/*.*") == (
            "Read, search, create, change and delete everything in your own record"
        )
        assert wording.in_words("user/Patient.r?name=x").endswith("only where name=x")
        assert "patient/Nonsense.xyz" in wording.in_words("patient/Nonsense.xyz")
        letters = ["".join(c for n, c in enumerate(smart.LETTERS) if bits >> n & 1) for bits in range(1, 32)]
        said = {wording.in_words(f"patient/*.{some}") for some in letters}
        assert len(said) == 31  # no two sets of rights read the same
    assert [one.scope for one in wording.asked(["a", "b", "a"])] == ["a", "b"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://app.example/done?x=1", ["https://app.example"]),
        ("http://127.0.0.1:8000/", ["http://127.0.0.1:8000"]),
        ("com.example.app:/done", ["com.example.app:"]),
        ("https://app.example;script-src */x", ["https:"]),
        ("no address", []),
    ],
)
def test_only_an_origin_enters_the_policy(address: str, expected: list[str]) -> None:
    assert origin(address) == expected
