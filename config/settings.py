"""Settings, all from the environment.

``CHANGKE_MODE`` is ``production`` unless the embedded servers are in use (``local``: demo, tests, a
laptop). DEBUG is off in both: the demo runs what production runs.
"""

from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

MODE = env("CHANGKE_MODE", default="production" if "DATABASE_URL" in env.ENVIRON else "local")
LOCAL = MODE == "local"
STATE_DIR = Path(env("CHANGKE_STATE", default=str(BASE_DIR / "var")))
DEBUG = False

SECRET_KEY = env(
    "SECRET_KEY", default="only-for-commands-that-touch-no-session" * 2 if LOCAL else ""
)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["*"] if LOCAL else [])
SITE_URL = env("SITE_URL", default="http://127.0.0.1:8200" if LOCAL else "")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[SITE_URL] if SITE_URL else [])

INSTALLED_APPS = [
    "crm.apps.CrmConfig",
    "analytics.apps.AnalyticsConfig",
    "config.admin_app.ChangkeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",
    "django_htmx",
    "heroicons",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_structlog",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "config.middleware.PolicyMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
FORM_RENDERER = "crm.shared.forms.Renderer"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"changke": "crm.shared.templatetags.changke"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "csp.context_processors.nonce",
                "crm.agents.context.shell",
            ],
        },
    }
]

DATABASES = {"default": env.db("DATABASE_URL", default="postgres://changke@/changke")}
DATABASES["default"] |= {
    "ENGINE": "django.db.backends.postgresql",
    "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE", default=60),
    "CONN_HEALTH_CHECKS": True,
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env("CACHE_URL", default="redis://127.0.0.1:6379/1"),
        "KEY_PREFIX": "changke",
    }
}

AUTH_USER_MODEL = "crm.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "config.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
# Counted per address and account; a lock opens by itself, so nobody can be kept out for good.
ACCOUNT_RATE_LIMITS = {"login_failed": "5/5m/key,20/5m/ip"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "常客 Changke"
# One period either way: a code that turns over while it is being sent still opens.
MFA_TOTP_TOLERANCE = 1

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_TZ = True
CORP_NAME = env("CORP_NAME", default="常客旅行")
CORP_TIME_ZONE = env("CORP_TIME_ZONE", default="Asia/Shanghai")
TIME_ZONE = CORP_TIME_ZONE

STATIC_URL = "/static/"
# Finders serve the local mode; only production collects.
STATIC_ROOT = env("STATIC_ROOT", default="" if LOCAL else str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "config.static.PackageFileFinder",
]
# Single files served out of installed packages: static path -> (package, file inside it).
PACKAGE_STATIC_FILES = {"vendor/plotly.min.js": ("plotly", "package_data/plotly.min.js")}
WHITENOISE_USE_FINDERS = LOCAL
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedStaticFilesStorage"
    },
}
MEDIA_ROOT = str(STATE_DIR / "media")
COLUMNS_DIR = STATE_DIR / "columns"
# The second engine for questions; empty means that there is none.
CLICKHOUSE_URL = env.str("CLICKHOUSE_URL", "")
CLICKHOUSE_CLUSTER = env.str("CLICKHOUSE_CLUSTER", "")
# Which engine answers the questions of pages, files and the API: columns or clickhouse.
QUESTION_ENGINE = env.str("QUESTION_ENGINE", "columns")
# Days within which a person who asks about their own data is answered.
SUBJECT_REQUEST_DAYS = env.int("SUBJECT_REQUEST_DAYS", 15)
# Seconds that a page gives a question before it shows a progress bar, and those of any answer.
QUESTION_QUICK_SECONDS = env.float("QUESTION_QUICK_SECONDS", 4)
QUESTION_SECONDS = env.float("QUESTION_SECONDS", 60)
# Answers that took long are shown again: what took a second for a minute.
ANSWERS_LAST = env.bool("ANSWERS_LAST", True)
# Bitmaps of segments that each process keeps in memory between questions.
SEGMENT_CACHE_BYTES = 256 * 1024 * 1024

SESSION_COOKIE_AGE = 12 * 3600
SESSION_IDLE_SECONDS = 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL
SESSION_COOKIE_NAME = "changke-session" if LOCAL else "__Host-changke-session"
CSRF_COOKIE_NAME = "changke-csrf" if LOCAL else "__Host-changke-csrf"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not LOCAL)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 0 if LOCAL else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not LOCAL
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# How many proxies of ours stand before us; each adds whom it saw to X-Forwarded-For.
PROXIES = env.int("PROXIES", 1 if BEHIND_PROXY else 0)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
# Plotly writes style attributes, hence 'unsafe-inline' for styles alone.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# Limits before parsing: forms and JSON here, files in their own readers.
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")

WECOM_BASE_URL = env("WECOM_BASE_URL", default="https://qyapi.weixin.qq.com")
WECOM_CORP_ID = env("WECOM_CORP_ID", default="")
WECOM_SECRET = env("WECOM_SECRET", default="")
WECOM_AGENT_ID = env.int("WECOM_AGENT_ID", default=0)
# Limits of the platform that have changed since: "image_bytes=20971520,calls_per_minute=8000".
WECOM_LIMITS = env.dict("WECOM_LIMITS", cast={"value": int}, default={})
WECOM_CALLBACK_TOKEN = env("WECOM_CALLBACK_TOKEN", default="")
WECOM_CALLBACK_AES_KEY = env("WECOM_CALLBACK_AES_KEY", default="")

# The chat archive (会话存档): "native" with the vendor's library, "sandbox" on this machine only.
WECOM_ARCHIVE_LIBRARY = env("WECOM_ARCHIVE_LIBRARY", default="")
WECOM_ARCHIVE = env("WECOM_ARCHIVE", default="native" if WECOM_ARCHIVE_LIBRARY else "")
WECOM_ARCHIVE_SECRET = env("WECOM_ARCHIVE_SECRET", default="")
WECOM_ARCHIVE_KEYS = env("WECOM_ARCHIVE_KEYS", default=str(STATE_DIR / "archive-keys"))
WECOM_ARCHIVE_PROXY = env("WECOM_ARCHIVE_PROXY", default="")
WECOM_ARCHIVE_PROXY_PASSWORD = env("WECOM_ARCHIVE_PROXY_PASSWORD", default="")
ARCHIVE_KEPT_DAYS = env.int("ARCHIVE_KEPT_DAYS", default=365)
ARCHIVE_MEDIA_BYTES = env.int("ARCHIVE_MEDIA_BYTES", default=100_000_000)

# Hours after creation at which agents who have not published a moment are reminded.
MOMENT_REMIND_HOURS = env.list("MOMENT_REMIND_HOURS", cast=float, default=[2.0, 8.0, 20.0])
# Likewise of a mass send that was handed to them.
SEND_REMIND_HOURS = env.list("SEND_REMIND_HOURS", cast=float, default=[2.0, 8.0, 20.0])

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crm.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["crm.api.permissions.PolicyPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "crm.api.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Changke API",
    "DESCRIPTION": "Orders, customers and events in; figures out.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["crm.api.permissions.PolicyPermission"],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "config.logs.RedactFilter"}},
    "formatters": {"json": {"()": "config.logs.json_formatter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "filters": ["redact"], "formatter": "json"}
    },
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "django_structlog": {"level": "WARNING"},
        "numba": {"level": "WARNING"},
    },
}

# Named kill points and other test aids exist only where this is set (tests/conftest.py).
TESTING = LOCAL and env.bool("CHANGKE_TESTING", default=False)
if TESTING:  # Thousands of throw-away logins; a slow hash would only test the hash.
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _refuse_insecure() -> None:
    """Production starts only with real secrets, hosts and an https WeCom address."""
    problems = []
    if len(SECRET_KEY) < 50:
        problems.append("SECRET_KEY needs at least 50 characters")
    if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
        problems.append("ALLOWED_HOSTS must name the site's hosts")
    if not SITE_URL.startswith("https://"):
        problems.append("SITE_URL must be the site's https address")
    if not WECOM_BASE_URL.startswith("https://"):
        problems.append("WECOM_BASE_URL must be https")
    problems += [
        f"{name} is missing"
        for name in (
            "WECOM_CORP_ID",
            "WECOM_SECRET",
            "WECOM_AGENT_ID",
            "WECOM_CALLBACK_TOKEN",
            "WECOM_CALLBACK_AES_KEY",
        )
        if not globals()[name]
    ]
    if QUESTION_ENGINE not in ("columns", "clickhouse"):
        problems.append("QUESTION_ENGINE must be columns or clickhouse")
    if QUESTION_ENGINE == "clickhouse" and not CLICKHOUSE_URL:
        problems.append("QUESTION_ENGINE=clickhouse needs CLICKHOUSE_URL")
    if WECOM_ARCHIVE not in ("", "native"):
        problems.append("WECOM_ARCHIVE must be native or empty")
    if WECOM_ARCHIVE == "native" and not (WECOM_ARCHIVE_LIBRARY and WECOM_ARCHIVE_SECRET):
        problems.append("the archive needs WECOM_ARCHIVE_LIBRARY and WECOM_ARCHIVE_SECRET")
    if problems:
        raise ImproperlyConfigured("not starting insecurely: " + "; ".join(problems))


if not LOCAL:
    _refuse_insecure()
