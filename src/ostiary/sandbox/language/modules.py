"""The modules that expressions may import: those of the sandbox with their names, and those that stand for others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_NATIVE: Final = {
    "base64": "a85decode a85encode b16decode b16encode b32decode b32encode b32hexdecode b32hexencode b64decode"
    " b64encode b85decode b85encode decodebytes encodebytes standard_b64decode standard_b64encode"
    " urlsafe_b64decode urlsafe_b64encode",
    "binascii": "Error a2b_base64 a2b_hex b2a_base64 b2a_hex crc32 hexlify unhexlify",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "collections": "Counter defaultdict deque namedtuple",
    "copy": "copy deepcopy",
    "csv": "DictReader DictWriter Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC reader writer",
    "dataclasses": "dataclass field is_dataclass",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Context Decimal DecimalException DivisionByZero InvalidOperation ROUND_05UP ROUND_CEILING ROUND_DOWN"
    " ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP getcontext localcontext",
    "functools": "cache lru_cache partial reduce",
    "hashlib": "blake2b blake2s md5 new pbkdf2_hmac sha1 sha224 sha256 sha384 sha3_224 sha3_256 sha3_384 sha3_512"
    " sha512 shake_128 shake_256",
    "itertools": "accumulate chain combinations combinations_with_replacement compress count cycle dropwhile"
    " filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest",
    "json": "JSONDecodeError dumps loads",
    "math": "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp"
    " exp2 expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt"
    " lcm ldexp lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh"
    " sqrt tan tanh tau trunc ulp",
    "random": "choice choices getrandbits randbytes randint random randrange sample shuffle uniform",
    "re": "A ASCII DOTALL I IGNORECASE M MULTILINE Match NOFLAG Pattern S compile error escape findall finditer"
    " fullmatch match search split sub",
    "time": "gmtime localtime strftime strptime time time_ns",
    "typing": "Annotated Any Callable ClassVar Dict Final FrozenSet Generator Generic Iterable Iterator List Literal"
    " Mapping NoReturn Optional Protocol Self Sequence Set TYPE_CHECKING Tuple Type TypeVar Union",
    "unicodedata": "category combining is_normalized lookup name normalize",
}

NATIVE: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {name: frozenset(name_set.split()) for name, name_set in _NATIVE.items()}
)
"""Modules of the sandbox, and what they have. A test asks the sandbox."""

_CORE: Final = (
    "Group User UserTypes USER_ATTRIBUTE_CHANGE_EMAIL USER_ATTRIBUTE_CHANGE_NAME USER_ATTRIBUTE_CHANGE_USERNAME"
    " USER_ATTRIBUTE_DEBUG USER_ATTRIBUTE_DELETE_ON_LOGOUT USER_ATTRIBUTE_EXPIRES USER_ATTRIBUTE_GENERATED"
    " USER_ATTRIBUTE_SOURCES USER_ATTRIBUTE_TOKEN_EXPIRING USER_PATH_SERVICE_ACCOUNT USER_PATH_SYSTEM_PREFIX"
)
_QUOTING: Final = "quote quote_plus unquote unquote_plus urlencode"

SHIMS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "authentik.core.models": {name: name for name in _CORE.split()},
        "authentik.sources.oauth.models": {"OAuthSource": "OAuthSource"},
        "authentik.stages.authenticator": {"devices_for_user": "devices_for_user"},
        "authentik.stages.authenticator_static.models": {"StaticDevice": "StaticDevice"},
        "authentik.stages.authenticator_totp.models": {"TOTPDevice": "TOTPDevice"},
        "authentik.stages.authenticator_webauthn.models": {"WebAuthnDevice": "WebAuthnDevice"},
        "django.utils": {"timezone": "django_timezone"},
        "django.utils.html": {"escape": "django_escape"},
        "django.utils.text": {"slugify": "slugify"},
        "django.utils.timezone": {"now": "now"},
        "hmac": {"compare_digest": "compare_digest", "digest": "hmac_digest", "new": "hmac_new"},
        "html": {"escape": "escape"},
        "urllib": {"parse": "urllib_parse"},
        "urllib.parse": {name: name for name in _QUOTING.split()},
        "django.core.exceptions": {"ObjectDoesNotExist": "ObjectDoesNotExist"},
        "django.db.models": {"Q": "Q"},
        "requests": {
            "ConnectionError": "OSError",
            "HTTPError": "OSError",
            "RequestException": "OSError",
            "Session": "Requests",
            "Timeout": "TimeoutError",
            "delete": "ostiary_delete_request",
            "exceptions": "ostiary_request_exceptions",
            "get": "ostiary_get",
            "head": "ostiary_head",
            "patch": "ostiary_patch",
            "post": "ostiary_post",
            "put": "ostiary_put",
            "request": "ostiary_request",
            "session": "Requests",
        },
        "ipaddress": {"ip_address": "ip_address", "ip_network": "ip_network"},
    }
)
"""Modules that definitions of the prelude stand for: what they have, by its name there."""
