"""The platform's frame and the sample form alone, so that a server starts in seconds."""

from salus.settings import *  # noqa: F403
from salus.settings import INSTALLED_APPS as _APPS

_LEFT_OUT = {"salus.record", "salus.connect", "salus.insurance", "salus.prevention", "oauth2_provider"}
INSTALLED_APPS = [app for app in _APPS if app not in _LEFT_OUT] + ["tests.web.offline.sample"]
ROOT_URLCONF = "tests.web.offline.urls"
MIGRATION_MODULES = {app.rpartition(".")[2]: None for app in INSTALLED_APPS}
ACCOUNT_RATE_LIMITS = {"login": "600/m/ip"}
OFFLINE_FIRST_PAUSE_MS = 20
