"""Languages, templates, static files, and content negotiation."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ostiary.web.errors import HttpError, NotFound, TooManyRequests
from ostiary.web.language import Catalogs
from ostiary.web.negotiation import phrase, plain_error, wants_json
from ostiary.web.request import Request
from ostiary.web.response import Response
from ostiary.web.router import Router
from ostiary.web.static import Static
from ostiary.web.templates import Templates

PO = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "door"
msgstr "Tür"

msgid "%(num)s door"
msgid_plural "%(num)s doors"
msgstr[0] "%(num)s Tür"
msgstr[1] "%(num)s Türen"
"""


@pytest.fixture
def catalogs(tmp_path: Path) -> Catalogs:
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "messages.po").write_text(PO)
    return Catalogs(tmp_path)


@pytest.mark.parametrize(
    ("accept", "cookie", "language"),
    [
        ("", "", "en"),
        ("de", "", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("fr,en;q=0.8,de;q=0.9", "", "de"),
        ("fr", "", "en"),
        ("de;q=0,en;q=0.1", "", "en"),
        ("de;q=x", "", "en"),
        ("en", "de", "de"),
        ("de", "../../etc", "de"),
        ("de", "en-GB", "en"),
        ("x," * 100 + "de", "", "en"),
    ],
)
def test_the_language(catalogs: Catalogs, accept: str, cookie: str, language: str) -> None:
    headers = {"accept-language": accept, "cookie": f"authentik_language={cookie}"}
    assert catalogs.choose(Request(headers=headers)) == language


def test_texts(catalogs: Catalogs) -> None:
    assert catalogs.gettext("de", "door") == "Tür"
    assert catalogs.gettext("en", "door") == "door"
    assert catalogs.gettext("de", "window") == "window"
    assert catalogs.gettext("xx", "door") == "door"
    for language, count, text in (("de", 1, "%(num)s Tür"), ("de", 2, "%(num)s Türen"), ("en", 1, "%(num)s door")):
        assert catalogs.ngettext(language, one="%(num)s door", many="%(num)s doors", count=count) == text
    assert catalogs.ngettext("de", one="a", many="b", count=2) == "b"


def test_templates(catalogs: Catalogs, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("not served")
    (tmp_path / "a.svg").write_text("<svg/>")
    (tmp_path / "t.html").write_text(
        "{{ language }} {{ url('/x/') }} {{ static('a.svg') }} {{ _('door') }} {{ evil }}"
        " {{ ngettext('%(num)s door', '%(num)s doors', 3) }}"
    )
    templates = Templates([tmp_path], catalogs=catalogs, static=Static(tmp_path))
    text = templates.render("t.html", language="de", prefix="/p", evil="<script>")
    assert text.startswith("de /p/x/ /p/static/ostiary/a.")
    assert text.endswith(".svg Tür &lt;script&gt; 3 Türen")
    assert "3 doors" in templates.render("t.html", language="en", prefix="", evil="")
    import jinja2

    with pytest.raises(jinja2.UndefinedError):
        templates.render("t.html", language="de", prefix="")


async def serve(static: Static, path: str, **headers: str) -> Response:
    return await Router(static.routes())(
        Request(path=path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    )


async def test_static_files(tmp_path: Path) -> None:
    (tmp_path / "b.svg").write_text("<svg/>")
    (tmp_path / "a.css").write_text('p{background:url("b.svg")}')
    static = Static(tmp_path)
    plain = await serve(static, static.path("a.css"))
    assert plain.header("content-type") == "text/css; charset=utf-8"
    assert "immutable" in (plain.header("cache-control") or "")
    assert static.path("b.svg").rpartition("/")[2].encode() in plain.body
    packed = await serve(static, static.path("a.css"), accept_encoding="gzip, br")
    assert packed.header("content-encoding") == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    for name in ("a.css", "c.000000000000.css", ".."):
        with pytest.raises(NotFound):
            await serve(static, f"/static/ostiary/{name}")
    with pytest.raises(KeyError):
        static.path("missing.css")
    changed = tmp_path / "b.svg"
    changed.write_text("<svg></svg>")
    assert Static(tmp_path).path("a.css") != static.path("a.css")


@pytest.mark.parametrize(
    ("path", "headers", "json"),
    [
        ("/api/v3/x/", {"accept": "text/html"}, True),
        ("/if/user/", {}, False),
        ("/if/user/", {"accept": "*/*"}, False),
        ("/if/user/", {"accept": "application/json"}, True),
        ("/if/user/", {"accept": "text/html,application/json"}, False),
        ("/if/user/", {"content-type": "application/json"}, True),
    ],
)
def test_which_clients_get_json(path: str, headers: dict[str, str], json: bool) -> None:
    assert wants_json(Request(path=path, headers=headers)) is json


def test_plain_errors() -> None:
    error = HttpError(400, "x", "<b>")
    assert b"&lt;b&gt;" in plain_error(Request(), error).body
    assert plain_error(Request(path="/api/"), error).body == b'{"detail":"<b>","code":"x"}'
    assert phrase(799) == "Error"
    assert TooManyRequests(retry_after=0).headers == (("retry-after", "1"),)
