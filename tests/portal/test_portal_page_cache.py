"""Cached pages with placeholders: the result is the same as with rendering."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from markupsafe import escape

from ostiary.portal.page_cache import MAX_PAGE_LENGTH, MAX_PAGES, PageCache, Placeholders


class Template:
    """A template that writes its escaped values, and counts its renderings."""

    def __init__(self) -> None:
        self.rendered = 0

    def __call__(self, values: Mapping[str, object]) -> str:
        self.rendered += 1
        return "<p>" + "</p><p>".join(f"{name}={escape(str(value))}" for name, value in values.items()) + "</p>"


@pytest.fixture
def template() -> Template:
    return Template()


def filled(page_cache: PageCache, template: Template, *, fixed: str = "door", **placeholder_values: str) -> str:
    placeholders = Placeholders()
    values = {"fixed": fixed, **{name: placeholders.mark(name, value) for name, value in placeholder_values.items()}}
    return page_cache.fill("page", values, placeholders, template)


def test_a_page_is_rendered_once_for_all_placeholder_values(template: Template) -> None:
    page_cache = PageCache()
    assert filled(page_cache, template, ticket="one") == "<p>fixed=door</p><p>ticket=one</p>"
    assert filled(page_cache, template, ticket="two") == "<p>fixed=door</p><p>ticket=two</p>"
    assert template.rendered == 1
    assert filled(page_cache, template, fixed="gate", ticket="two") == "<p>fixed=gate</p><p>ticket=two</p>"
    assert template.rendered == 2


def test_placeholder_values_are_escaped(template: Template) -> None:
    evil = "\"><script>alert('x')</script>&amp;"
    assert filled(PageCache(), template, name=evil) == f"<p>fixed=door</p><p>name={escape(evil)}</p>"


def test_a_value_that_looks_like_a_marker_is_not_replaced(template: Template) -> None:
    page_cache = PageCache()
    mark = Placeholders().mark("secret", "x")
    assert filled(page_cache, template, name=mark, secret="hidden") == (
        f"<p>fixed=door</p><p>name={mark}</p><p>secret=hidden</p>"
    )


def test_an_empty_value_has_no_marker(template: Template) -> None:
    page_cache = PageCache()
    assert filled(page_cache, template, notice="") == "<p>fixed=door</p><p>notice=</p>"
    assert filled(page_cache, template, notice="Hello") == "<p>fixed=door</p><p>notice=Hello</p>"
    assert template.rendered == 2


def test_the_page_cache_is_bounded(template: Template) -> None:
    page_cache = PageCache()
    for number in range(MAX_PAGES + 1):
        filled(page_cache, template, fixed=str(number))
    filled(page_cache, template, fixed=str(MAX_PAGES))
    assert template.rendered == MAX_PAGES + 1
    filled(page_cache, template, fixed="0")  # the oldest was evicted
    assert template.rendered == MAX_PAGES + 2
    long = "x" * (MAX_PAGE_LENGTH + 1)
    filled(page_cache, template, fixed=long)
    filled(page_cache, template, fixed=long)
    assert template.rendered == MAX_PAGES + 4
