import base64
import json
import subprocess
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.build.needles import MASK, Masker, Needles

TOKEN = b"ghp_tOkEn/with+odd=chars%42"
PEM = (
    b"-----BEGIN PRIVATE KEY-----\n"
    + b"\n".join(base64.b64encode(bytes(range(start, start + 48))) for start in (0, 60, 120))
    + b"\n-----END PRIVATE KEY-----\n"
)


def hidden(data, *values):
    return Needles({str(number): value for number, value in enumerate(values)}).hide(data)


FORMS = {
    "plain": lambda value: value,
    "base64": base64.b64encode,
    "base64 behind a user": lambda value: base64.b64encode(b"user:" + value),
    "base64 behind a longer user": lambda value: base64.b64encode(b"a user:" + value + b":more"),
    "base64 for addresses": base64.urlsafe_b64encode,
    "base64 with its padding": lambda value: base64.b64encode(value + b"\n"),
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    "in an address": lambda value: quote(value, safe="").encode(),
    "in JSON": lambda value: json.dumps(value.decode()).encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [TOKEN, b"hunter2!", b'say "x" \\ y', "schlüssel-größe".encode()], ids=repr)
def test_every_form_is_found(form, value):
    written = b"before " + FORMS[form](value) + b" after"
    assert Needles({"t": value}).find(written) == "t"
    assert MASK in hidden(written, value)


def test_a_file_s_line_end_is_no_part_of_it():
    assert hidden(b"x hunter2 y", b"hunter2\n") == b"x *** y"
    assert hidden(b"x hunter2\r\ny", b"hunter2\r\n") == b"x ***\r\ny"


def test_lines_of_a_key_are_secrets_and_its_frame_is_not():
    for line in PEM.splitlines()[1:-1]:
        assert hidden(b"| " + line + b" |", PEM) == b"| *** |"
    assert hidden(b"-----BEGIN PRIVATE KEY-----", PEM) == b"-----BEGIN PRIVATE KEY-----"
    settings = b"registry=https://registry.example.org/a1\nalways-auth=true\n//r/:_authToken=0123456789abcdefghij\n"
    assert hidden(b"registry=https://registry.example.org/a1", settings) == b"registry=https://registry.example.org/a1"
    assert MASK in hidden(b"//r/:_authToken=0123456789abcdefghij", settings)


@pytest.mark.parametrize("tool", [("base64",), ("xxd", "-p"), ("base64", "-w0")])
def test_what_tools_write_of_a_long_secret(tool):
    value = b"".join(b"%d:" % number for number in range(80))
    try:
        written = subprocess.run(tool, input=value, capture_output=True, check=True).stdout
    except FileNotFoundError:
        written = b"\n".join(value.hex().encode()[at : at + 60] for at in range(0, 2 * len(value), 60))
    left = hidden(written, value).replace(MASK, b"").replace(b"\n", b"")
    assert len(left) < 20


def test_common_words_are_left_alone():
    text = b"the quick brown fox jumps over the lazy dog 0123456789 deadbeef\n" * 50
    assert hidden(text, TOKEN, b"hunter2", b"pass") == text


def test_nothing_shows_a_value():
    assert "hunter2" not in repr(Needles({"t": b"hunter2"}))


VALUES = st.binary(min_size=4, max_size=40)


@given(VALUES, st.lists(st.binary(max_size=30), max_size=4), st.lists(st.integers(1, 17), min_size=1, max_size=30))
def test_pieces_hide_as_much_as_the_whole(value, around, cuts):
    data = value.join([b"<", *around, b">"])
    needles = Needles({"v": value})
    masker = Masker(needles)
    shown, at = b"", 0
    for cut in cuts:
        shown += masker.feed(data[at : at + cut])
        at += cut
    shown += masker.feed(data[at:]) + masker.finish()
    assert value not in shown or value in MASK * 20


def test_little_is_held_back():
    masker = Masker(Needles({"v": b"hunter2"}))
    assert masker.feed(b"progress 10%\r") == b"progress 10%\r"
    assert masker.feed(b"see hun") == b"see "
    assert masker.feed(b"dred") == b"hundred"
    assert masker.feed(b"hunt") + masker.feed(b"er") + masker.feed(b"2.") == b"***."
    assert masker.feed(b"hunte") == b""
    assert masker.finish() == b"hunte"
