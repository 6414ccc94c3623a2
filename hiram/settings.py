"""Every setting, each value from the environment; `docs/configuration.md` has the table."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from hiram import env
from hiram.conf_checks import require_secret, weak_key

BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT = env.choice(
    "HIRAM_ENV",
    "production",
    ("production", "development"),
    about="`development` allows plain SMTP, loopback hosts and embedded servers",
)
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False
HIRAM_HOME = Path(
    env.text("HIRAM_HOME", str(BASE_DIR / "var"), about="where `up` keeps data, pids and logs")
)

SECRET_KEY = env.text(
    "HIRAM_SECRET_KEY", about="signs sessions, cursors and links; 50 random characters or more"
)
ENCRYPTION_KEYS = env.words(
    "HIRAM_ENCRYPTION_KEYS",
    about="URL-safe base64 keys of 32 bytes; the first encrypts, all decrypt",
)
require_secret("HIRAM_SECRET_KEY", SECRET_KEY, weak=weak_key(SECRET_KEY))
require_secret("HIRAM_ENCRYPTION_KEYS", ",".join(ENCRYPTION_KEYS))

PUBLIC_URL = env.text(
    "HIRAM_PUBLIC_URL",
    "http://127.0.0.1:3357",
    about="the address users reach Hiram at; used in links and in problem types",
).rstrip("/")
ALLOWED_HOSTS = list(
    env.words(
        "HIRAM_ALLOWED_HOSTS",
        ("localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_URL).hostname or "localhost"),
        about="host names that requests may name",
    )
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# The name a mail's Message-ID ends in when the sender's own domain is unknown.
MAIL_DOMAIN = urlsplit(PUBLIC_URL).hostname or "localhost"

# --- The database: the only truth -----------------------------------------------------------
DATABASE_URL = env.text("DATABASE_URL", about="PostgreSQL 15 or newer, as a URL")
require_secret("DATABASE_URL", DATABASE_URL)
_database = conninfo_to_dict(DATABASE_URL)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.pop("dbname", "hiram"),
        "USER": _database.pop("user", ""),
        "PASSWORD": _database.pop("password", ""),
        "HOST": _database.pop("host", ""),
        "PORT": str(_database.pop("port", "")),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 3,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            "options": "-c statement_timeout=5000 -c lock_timeout=2000"
            " -c idle_in_transaction_session_timeout=15000",
            # Prepared statements: planning the accept statement costs more than running it.
            "server_side_binding": True,
            "prepare_threshold": 3,
            **_database,
        },
    }
}
UNSAFE_DURABILITY = env.flag(
    "HIRAM_UNSAFE_DURABILITY",
    False,
    about="serve although PostgreSQL may lose what it confirmed; only for throw-away test servers",
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis and the broker: hints only -------------------------------------------------------
REDIS_URL = env.text("REDIS_URL", about="Redis or Valkey: cache and, unless told, broker")
require_secret("REDIS_URL", REDIS_URL)
CELERY_BROKER_URL = env.text(
    "CELERY_BROKER_URL", REDIS_URL, about="redis:// or amqp://; the same as REDIS_URL when unset"
)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "hiram",
        "OPTIONS": {
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
        },
    }
}

# --- The engine ------------------------------------------------------------------------------
SLOTS = env.integer(
    "HIRAM_SLOTS", 64, least=4, about="provider calls at once in one worker process"
)
WORKER_PROCESSES = env.integer(
    "HIRAM_WORKER_PROCESSES", 2, least=1, about="delivering processes over all hosts"
)
CALL_SECONDS = env.integer(
    "HIRAM_CALL_SECONDS", 60, least=5, about="hard limit of one provider call"
)
LEASE_SECONDS = env.integer(
    "HIRAM_LEASE_SECONDS",
    CALL_SECONDS + 30,
    least=CALL_SECONDS + 5,
    about="how long a claimed row belongs to its worker; longer than a call",
)
TTL_SECONDS = env.integer(
    "HIRAM_TTL_SECONDS", 259_200, least=60, about="how long an undelivered notification is tried"
)
RETAIN_SECONDS = env.integer(
    "HIRAM_RETAIN_SECONDS",
    2_592_000,
    least=0,
    about="how long bodies are kept after their end, unless the tenant decides; 0: not at all",
)
IDEMPOTENCY_SECONDS = 86_400
ATTACHMENTS = env.flag("HIRAM_ATTACHMENTS", True, about="whether e-mails may have attachments")
SIMULATOR_URL = env.text("HIRAM_SIMULATOR_URL", about="the simulator's HTTP address, if it runs")
SIMULATOR_SMTP = env.text(
    "HIRAM_SIMULATOR_SMTP", about="the simulator's SMTP address as host:port, if it runs"
)

WEB_THREADS = env.integer(
    "HIRAM_WEB_THREADS", 4, least=1, about="threads that serve requests in one web process"
)

# --- The outside -----------------------------------------------------------------------------
OUTBOUND_ALLOW = env.networks(
    "HIRAM_OUTBOUND_ALLOW",
    () if PRODUCTION else ("127.0.0.0/8", "::1/128"),
    about="networks that tenant-given hosts may be in besides public ones (CIDR list)",
)
OUTBOUND_HTTP = env.flag(
    "HIRAM_OUTBOUND_HTTP",
    not PRODUCTION,
    about="whether tenant-given hosts may be spoken to without TLS",
)

VERIFIED_DOMAINS = env.flag(
    "HIRAM_VERIFIED_DOMAINS",
    False,
    about="whether e-mail may only be from domains that its tenant has verified by a TXT record",
)
DNS_SERVERS = env.servers(
    "HIRAM_DNS_SERVERS",
    port=53,
    about="name servers (address or address:port) that are asked for TXT records; unset: this machine's own",
)

# --- Django ----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "anymail",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "hiram",
    "tenants",
    "notifications",
    "delivery",
    "portal",
]
MIDDLEWARE = [
    "hiram.telemetry.middleware.Watch",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.ContentSecurityPolicy",
    "hiram.lib.shortcut.Shortcut",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "hiram.urls"
WSGI_APPLICATION = "hiram.wsgi.application"
APPEND_SLASH = True
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# auth.W004: e-mail is unique by a constraint on its lower case, which the check cannot see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
# WhiteNoise serves what the apps bring; nothing is collected first.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
LOGIN_URL = "/portal/login/"
LOGIN_REDIRECT_URL = "/portal/"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 43_200
SECURE_COOKIES = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = SECURE_COOKIES
CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_NAME = "__Host-hiram" if SECURE_COOKIES else "hiram"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE_COOKIES else "csrftoken"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_COOKIES else 0
BEHIND_PROXY = env.flag(
    "HIRAM_BEHIND_PROXY",
    False,
    about="trust X-Forwarded-Proto and the last X-Forwarded-For of a proxy in front",
)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
X_FRAME_OPTIONS = "DENY"

# Failed logins are counted in PostgreSQL by account and address together, so that nobody can
# lock another's account out and Redis may be away.
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "portal.access.client_address"

# Bodies are read and bounded by `hiram.lib.rest`, which answers in the API's own error form.
DATA_UPLOAD_MAX_MEMORY_SIZE = 17 * 1024 * 1024

# The portal. Links in mails that log somebody in work for an hour.
AXES_LOCKOUT_TEMPLATE = "portal/locked_out.html"
# Django's log-in form and its signals say `username`, whatever the user model's field is called;
# with another name here all accounts of an address would be counted as one.
AXES_USERNAME_FORM_FIELD = "username"
PASSWORD_RESET_TIMEOUT = 3_600
UNFOLD = {
    "SITE_TITLE": "Hiram",
    "SITE_HEADER": "Hiram",
    "SITE_SYMBOL": "architecture",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "portal.admin.sidebar.icon"},
    ],
    "STYLES": ["portal.admin.sidebar.stylesheet"],
    "SIDEBAR": {"navigation": "portal.admin.sidebar.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(70.4% .14 182.503)",
            "600": "oklch(51.1% .096 186.391)",
            "700": "oklch(43.7% .078 188.216)",
            "800": "oklch(38.6% .063 188.416)",
            "900": "oklch(27.7% .046 192.524)",
            "950": "oklch(20% .04 192.524)",
        },
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Hiram",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["hiram.openapi.finish"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Watching --------------------------------------------------------------------------------
OTLP_ENDPOINT = env.text(
    "OTEL_EXPORTER_OTLP_ENDPOINT", about="where traces go (OTLP over HTTP); unset: nowhere"
)
LOG_LEVEL = env.choice(
    "HIRAM_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"), about="least level logged"
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "hiram.telemetry.JsonFormatter"}},
    "handlers": {"stderr": {"class": "hiram.telemetry.LogWriter", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
