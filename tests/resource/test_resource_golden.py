"""The derived projections, as files that a reader can judge."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from resource_kinds import FULL, Lamp, Person, Room

from ostiary.resource.codec import decode, encode_canonical
from ostiary.resource.diff import masked_diff
from ostiary.resource.schema import kind_schema
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration.documents import seal_body

Golden = Callable[[str, Any], None]
GOLDEN = Path(__file__).parent.parent / "golden"


def real_kinds() -> list[Any]:
    if importlib.util.find_spec("ostiary.app.rooms") is None:
        return []
    return list(importlib.import_module("ostiary.app.rooms").KINDS)


@pytest.mark.parametrize("model", [Lamp, Room, Person])
@pytest.mark.parametrize("blueprint", [True, False], ids=["blueprint", "api"])
def test_json_schema(golden: Golden, model: Any, blueprint: bool) -> None:
    name = f"resource/{model.__name__.lower()}.{'blueprint' if blueprint else 'api'}.schema"
    golden(name, kind_schema(model.KIND, blueprint=blueprint))


def test_storage_document(golden: Golden) -> None:
    values = Lamp.KIND.parse(FULL)
    body = seal_body(Lamp.KIND, "lamp-1", values, Sealer(Secret("key")))
    body["$sealed"] = {path: text.split(".")[0] for path, text in body["$sealed"].items()}  # type: ignore[attr-defined]
    golden("resource/lamp.document", body)
    assert decode(encode_canonical(body)) == body


def test_masked_diff(golden: Golden) -> None:
    kind = Lamp.KIND
    before = kind.parse(FULL)
    after = kind.parse(
        {
            "name": "Desk",
            "secret": "other",
            "codes": ["one", "three"],
            "main": {"url": "https://main.example", "password": "changed"},
            "made": "2026-02-01T00:00:00Z",
            "key_data": None,
            "extra": {"tuple": [1, 2], "list": [1]},
            "owners": [],
        },
        current=before,
    )
    for name, pair in {"updated": (before, after), "created": (None, before), "deleted": (before, None)}.items():
        data = [one.document() for one in masked_diff(kind, *pair)]
        for secret in ("s3cret", "p4ss", "m41n", "k3y", "three", "changed", "other"):
            assert f'"{secret}"' not in encode_canonical(data)
        golden(f"resource/lamp.{name}.diff", data)
    assert (
        masked_diff(
            kind,
            before,
            kind.parse(
                {"extra": {"list": cast("dict[str, Any]", FULL["extra"])["list"], "tuple": [1, 2]}}, current=before
            ),
        )
        == ()
    )


@pytest.mark.parametrize("model", real_kinds(), ids=lambda model: model.KIND.name)
def test_real_kind(golden: Golden, model: Any) -> None:
    golden(f"kinds/{model.KIND.name}.schema", kind_schema(model.KIND, blueprint=True))


def test_no_golden_file_of_a_kind_that_is_gone() -> None:
    files = {path.name.removesuffix(".schema.json") for path in (GOLDEN / "kinds").glob("*.json")}
    assert files <= {model.KIND.name for model in real_kinds()}


def test_real_kinds_have_distinct_routes_and_known_marks() -> None:
    kinds = [model.KIND for model in real_kinds()]
    assert len({kind.routes for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert set(kind.fields) > {kind.label_field} or kind.label_field in {*kind.fields, "pk"}, kind.name
        assert kind.lookup_field in {*kind.fields, "pk"}, kind.name
        for names in kind.unique_together:
            assert set(names) <= set(kind.fields), kind.name
