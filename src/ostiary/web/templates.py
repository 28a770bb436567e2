"""The template engine: Jinja2 with autoescape, translations by gettext, and URLs with the site's prefix."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary.record import dataclass
from ostiary.web.language import Catalogs
from ostiary.web.static import Static

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context


@dataclass(frozen=True, slots=True)
class TemplateFolders:
    """The template folders of rooms."""

    every: Sequence[Path]


class Templates:
    """The templates in some folders. Jinja2 is loaded with the first page.

    Every template has `language`, `url(path)` (adds the prefix), `static(name)`, and `languages()` by their tags.
    """

    def __init__(self, folders: Sequence[Path], *, catalogs: Catalogs, static: Static) -> None:
        self.catalogs = catalogs
        self._folders = tuple(folders)
        self._static = static

    def render(self, name: str, *, language: str, prefix: str, **values: object) -> str:
        """Render a template. Raises jinja2.TemplateError for a faulty template, and for an undefined value."""
        return self.environment.get_template(name).render(
            language=language,
            url=lambda path: prefix + path,
            static=lambda file: prefix + self._static.path(file),
            **values,
        )

    @cached_property
    def environment(self) -> Environment:
        """The Jinja2 environment, for rendering and for the extraction of translatable texts."""
        import jinja2  # noqa: PLC0415 - 60 ms that only a page needs

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([str(folder) for folder in self._folders]),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        catalogs = self.catalogs

        @jinja2.pass_context
        def gettext(context: Context, text: str) -> str:
            return catalogs.gettext(_language(context), text)

        @jinja2.pass_context
        def ngettext(context: Context, one: str, many: str, count: int) -> str:
            return catalogs.ngettext(_language(context), one=one, many=many, count=count)

        environment.globals["languages"] = lambda: catalogs.names
        i18n: Any = environment
        i18n.install_gettext_callables(gettext, ngettext, newstyle=True)
        return environment


def _language(context: Context) -> str:
    return str(context["language"])
