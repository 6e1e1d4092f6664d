"""Django settings, read from the environment; safe defaults for one machine on loopback."""

import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext_lazy as _

from salus.kernel import logs
from salus.kernel.errors import SalusError
from salus.record.smart.settings import OAUTH2_PROVIDER as OAUTH2_PROVIDER

DATA_DIR = Path(os.environ.get("SALUS_DATA_DIR", "var")).resolve()
DEBUG = False
SQLITE_MAX_PAGES = int(
    os.environ.get("SALUS_SQLITE_MAX_PAGES", str(2**32 - 2))
)  # a quota for each SQLite file


def _secret_key() -> str:
    """Return the installation's own key, made on first use and readable by its owner only."""
    if key := os.environ.get("SALUS_SECRET_KEY"):
        return key
    path = DATA_DIR / "keys" / "secret"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = _secret_key()


def _sqlite(name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(DATA_DIR / name),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
                "PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;"
                "PRAGMA wal_autocheckpoint=8000; PRAGMA journal_size_limit=67108864;"
                f"PRAGMA max_page_count={SQLITE_MAX_PAGES};"
            ),
        },
        "TEST": {"NAME": str(DATA_DIR / f"test_{name}")},
    }


def _postgres(url: str, *, suffix: str = "") -> dict[str, Any]:
    parts = urlsplit(url)
    try:
        port = str(parts.port or "")
    except ValueError:
        port = None
    if parts.scheme not in {"postgres", "postgresql"} or port is None or not parts.path.strip("/"):
        raise SalusError(
            "database-url", "DATABASE_URL is not a PostgreSQL address", fix="Use postgres://user@host/name"
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) + suffix,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": port,
        "CONN_HEALTH_CHECKS": True,
    }


_url = os.environ.get("DATABASE_URL", "")
_audit_url = os.environ.get("AUDIT_DATABASE_URL", "")
DATABASES: dict[str, dict[str, Any]] = {
    "default": _postgres(_url) if _url else _sqlite("salus.sqlite3"),
    "audit": _postgres(_audit_url)
    if _audit_url
    else (_postgres(_url, suffix="_audit") if _url else _sqlite("audit.sqlite3")),
}
for _database in DATABASES.values():
    _database["CONN_MAX_AGE"] = None
# Tests make the audit's tables as the models say them: all migrations a second time would be long.
DATABASES["audit"].setdefault("TEST", {})["MIGRATE"] = False
FHIR_WRITES_APART = os.environ.get("SALUS_WRITES_APART", "") == "1"
"""Whether the web process hands the FHIR API's writes to a child (`record.fhir.apart`): `serve` decides."""
DATABASE_ROUTERS = ["salus.kernel.routers.AuditRouter"]

INSTALLED_APPS = [
    "salus.kernel",
    "salus.web",
    "salus.record",
    "salus.connect",
    "salus.insurance",
    "salus.prevention",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
    "oauth2_provider",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "salus.web.middleware.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "salus.web.middleware.AccountLanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "salus.urls"
ASGI_APPLICATION = "salus.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "salus.web.context.shell",
            ],
        },
    }
]

FORM_RENDERER = "salus.web.forms.Renderer"
CSRF_FAILURE_VIEW = "salus.web.pages.errors.forged"
MESSAGE_TAGS = {27: "undo"}  # salus.web.undo.LEVEL

AUTH_USER_MODEL = "kernel.Account"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "web:home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "salus.web.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PRESERVE_USERNAME_CASING = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "10/m/ip,5/5m/key", "reauthenticate": "10/m/user"}
ACCOUNT_REAUTHENTICATION_REQUIRED = True
SOCIALACCOUNT_ADAPTER = "salus.web.adapter.SocialAccountAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = False
# An OpenID Connect provider: its address, this installation's client id and secret there, and its name.
_oidc = {
    name: os.environ.get(f"SALUS_OIDC_{name.upper()}", "")
    for name in ("server", "client_id", "secret", "name")
}
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "APPS": [
            {
                "provider_id": "city",
                "name": _oidc["name"] or "OpenID",
                "client_id": _oidc["client_id"],
                "secret": _oidc["secret"],
                "settings": {"server_url": _oidc["server"]},
            }
        ]
        if _oidc["server"]
        else []
    }
}
MFA_TOTP_ISSUER = "Salus"
MFA_TOTP_TOLERANCE = 1
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
TIME_ZONE = os.environ.get("SALUS_TIME_ZONE", "Asia/Shanghai")
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["salus.web.formats"]

STATIC_URL = "/static/"
STATIC_ROOT = str(DATA_DIR / "static")
Path(STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # WhiteNoise warns of a folder that is not there
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "salus.web.staticfiles.HashedStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_KEEP_ONLY_HASHED_FILES = False
_leaflet = find_spec("leaflet")
# Only Leaflet's scripts are wanted: installed as an app, its admin module insists on the GDAL library.
STATICFILES_DIRS = [Path(_leaflet.origin).parent / "static"] if _leaflet and _leaflet.origin else []
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ALLOWED_HOSTS = os.environ.get("SALUS_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # a page of a table may have every row chosen
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],  # the QR code of two-step sign-in is a data address
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        # Browsers hold a form's redirects to this too, and signing in by OpenID begins with one.
        "form-action": [
            "'self'",
            *([f"https://{urlsplit(_oidc['server']).netloc}"] if _oidc["server"] else []),
        ],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": []}}

SILENCED_SYSTEM_CHECKS: list[str] = []

LOGGING = logs.CONFIGURATION
