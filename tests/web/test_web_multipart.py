"""Forms with files: what browsers send is read, whatever else is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.web.errors import BadRequest
from ostiary.web.parameters import parse_multipart

TYPE = "multipart/form-data; boundary=----WebKitFormBoundaryx7"


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers, "", ""]
    return b"------WebKitFormBoundaryx7\r\n" + "\r\n".join(lines).encode() + content + b"\r\n"


END = b"------WebKitFormBoundaryx7--\r\n"


def test_texts_and_files() -> None:
    body = (
        part('name="name"', "Zoë\r\nB.".encode())
        + part('name="a%22b"', b"")
        + part('name="picture"; filename="me.png"', b"\x89PNG\r\n\r\n--", "Content-Type: image/png")
        + part('name="none"; filename=""', b"", "Content-Type: application/octet-stream")
        + part('name="odd"; filename="x"', b"x", "content-type: <script>")
        + END
    )
    assert parse_multipart(body, TYPE) == [
        ("name", "Zoë\r\nB."),
        ('a"b', ""),
        ("picture", "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\r\n--").decode()),
        ("none", ""),
        ("odd", "data:application/octet-stream;base64,eA=="),
    ]


def test_an_empty_form_and_a_quoted_boundary() -> None:
    assert parse_multipart(b"--b--\r\n", 'multipart/form-data; boundary="b"') == []
    assert parse_multipart(b"--b--", "multipart/form-data; charset=utf-8; boundary=b") == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", TYPE),
        (END, "multipart/form-data"),
        (END, "multipart/form-data; boundary="),
        (END, "multipart/form-data; boundary=" + "b" * 71),
        (b"preamble\r\n" + part('name="a"', b"1") + END, TYPE),
        (part('name="a"', b"1"), TYPE),
        (part('name="a"', b"1") + END + b"more", TYPE),
        (part("filename=a", b"1") + END, TYPE),
        (part("name=\"a\"; filename*=UTF-8''x", b"1") + END, TYPE),
        (part('name="a"', b"1", "Content-Transfer-Encoding: base64") + END, TYPE),
        (part('name="a"', b"1", "no colon") + END, TYPE),
        (part('name="a"', b"1", "X: " + "x" * 5_000) + END, TYPE),
        (part('name="a"', b"\xff") + END, TYPE),
        (part('name="a"', b"a\0b") + END, TYPE),
        (b"------WebKitFormBoundaryx7\r\nContent-Disposition: form-data; name=a\r\n" + END, TYPE),
    ],
)
def test_anything_else_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(BadRequest):
        parse_multipart(body, content_type)


def test_a69_the_number_of_parts_is_bounded() -> None:
    assert len(parse_multipart(part('name="a"', b"1") * 256 + END, TYPE)) == 256
    with pytest.raises(BadRequest, match="Too many"):
        parse_multipart(part('name="a"', b"1") * 257 + END, TYPE)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_no_input_breaks_it(body: bytes, parameters: str) -> None:
    for content_type in (TYPE, f"multipart/form-data;{parameters}"):
        for whole in (body, part('name="a"; filename="f"', body) + END, b"------WebKitFormBoundaryx7" + body + END):
            try:
                pairs = parse_multipart(whole, content_type)
            except BadRequest:
                continue
            assert all(isinstance(value, str) for pair in pairs for value in pair)


@given(st.lists(st.tuples(st.text(alphabet="abc%é", max_size=5), st.binary(max_size=50)), max_size=5))
def test_files_come_back_as_they_were_sent(files: list[tuple[str, bytes]]) -> None:
    files = [(name, content) for name, content in files if b"\r\n------WebKitFormBoundaryx7" not in content]
    body = b"".join(part(f'name="{name}"; filename="f"', content, "Content-Type: a/b") for name, content in files)
    found = parse_multipart(body + END, TYPE)
    assert [base64.b64decode(value.partition(",")[2]) for _, value in found] == [content for _, content in files]
