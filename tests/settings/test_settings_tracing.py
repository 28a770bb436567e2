"""OpenTelemetry's settings, under the names that it gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary.settings import InvalidSetting, Settings, load


def loaded(**environ: str) -> Settings:
    return load({"OSTIARY_SECRET_KEY": "k" * 40, **environ}, default_file=None)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/otlp/"}, "http://c:4318/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/t"}, "https://c/t"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "http://t/x"),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, None),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, None),
    ],
)
def test_where_traces_are_sent(environ: dict[str, str], address: str | None) -> None:
    assert loaded(**environ).tracing.address == address


def test_headers_are_secret_and_pairs_are_decoded() -> None:
    made = loaded(
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20aHVzaA%3D%3D, x-a = b=c",
        OTEL_RESOURCE_ATTRIBUTES="host.name=h%C3%B6me,,team=one",
    )
    assert made.tracing.headers == {"authorization": "Basic aHVzaA==", "x-a": "b=c"}
    assert made.tracing.resource_attributes == {"host.name": "höme", "team": "one"}
    assert "aHVza" not in repr(made)
    assert "aHVza" not in made.shown["otel.exporter_otlp_headers"].text
    assert made.shown["otel.resource_attributes"].text == "host.name=höme,team=one"
    assert made.shown["otel.exporter_otlp_headers"].variable == "OTEL_EXPORTER_OTLP_HEADERS"


def test_they_can_stand_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("otel:\n  exporter_otlp_endpoint: http://c:4318\n  traces_sampler_arg: 0.25\n")
    made = loaded(OSTIARY_CONFIG=str(file)).tracing
    assert (made.exporter_otlp_endpoint, made.traces_sampler_arg) == ("http://c:4318", 0.25)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318", "an http or https address"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:secret@c", "an http or https address"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[c", "an http or https address"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:99999", "an http or https address"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/?key=1", "an http or https address"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "one of http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hush-hush", "name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hush%0D%0Ab: c", "name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hüsh", "name=value of ASCII characters"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a/b=hush", "name=value of ASCII characters"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a b=c", "name=value"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "one of always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "a number from 0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "a number from 0 to 1"),
        ("OTEL_TRACES_EXPORTER", "jaeger", "one of otlp, none"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1", "a number from 512"),
    ],
)
def test_mistakes_are_named(name: str, value: str, expected: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name}: expected {expected}") as refused:
        loaded(**{name: value})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "share"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25), (".5", 0.5), ("1.0", 1.0), ("0.", 0.0)]
)
def test_shares(text: str, share: float) -> None:
    assert loaded(OTEL_TRACES_SAMPLER_ARG=text).tracing.traces_sampler_arg == share
