"""One page: the brand's look around it, the person's language in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from ostiary.brands.pictures import picture
from ostiary.brands.resources import Brand
from ostiary.brands.select import select
from ostiary.portal.page_cache import PageCache, Placeholders
from ostiary.portal.services import Configuration
from ostiary.record import dataclass
from ostiary.web import response as answers
from ostiary.web.language import Catalogs
from ostiary.web.request import Request
from ostiary.web.response import Response
from ostiary.web.static import Static
from ostiary.web.templates import Templates

_ROOM: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Look:
    """What a brand puts on a page. An empty logo means our own mark and the title."""

    title: str
    logo: str
    favicon: str
    background: str


def own_static() -> Static:
    """Return the static files of this room."""
    return Static(_ROOM / "static")


def own_templates(static: Static, folders: Iterable[Path] = ()) -> Templates:
    """Return the templates of this room and of those folders, with the package's catalogs."""
    return Templates([_ROOM / "templates", *folders], catalogs=Catalogs(_ROOM.parent / "locale"), static=static)


class Renderer:
    """Makes pages of templates."""

    def __init__(self, templates: Templates, static: Static, plane: Configuration) -> None:
        self._templates = templates
        self._static = static
        self._plane = plane
        self._page_cache = PageCache()

    def look(self, request: Request) -> Look:
        """Return the look of the brand the request's host leads to."""
        snapshot, prefix = self._plane.snapshot, request.prefix
        brand = select(snapshot, request.host)
        return snapshot.memo(("portal.look", brand.pk, prefix), lambda: self._look(brand, prefix))

    def _look(self, brand: Brand, prefix: str) -> Look:
        return Look(
            title=brand.branding_title,
            logo=picture(brand.branding_logo),
            favicon=picture(brand.branding_favicon) or prefix + self._static.path("mark.svg"),
            background=picture(brand.branding_default_flow_background),
        )

    def translator(self, request: Request) -> Callable[[str], str]:
        """Return what translates a text into the language of the request."""
        catalogs = self._templates.catalogs
        language = catalogs.choose(request)
        return lambda text: catalogs.gettext(language, text)

    def page(self, request: Request, template: str, *, status: int = 200, **values: object) -> Response:
        """Answer a page. The host is shown on it, so that people see at whose door they stand."""
        return answers.html(self._render(template, self._around(request) | values), status)

    def cached_page(self, request: Request, template: str, slots: Placeholders, **values: object) -> Response:
        """Answer the same from a plate: `values` are JSON data and texts without markup, some of them marks."""
        known = self._around(request) | values
        return answers.html(self._page_cache.fill(template, known, slots, partial(self._render, template)))

    def _around(self, request: Request) -> dict[str, object]:
        return {
            "language": self._templates.catalogs.choose(request),
            "prefix": request.prefix,
            "brand": self.look(request),
            "host": request.host,
        }

    def _render(self, template: str, values: Mapping[str, object]) -> str:
        render: Callable[..., str] = self._templates.render
        return render(template, **values)
