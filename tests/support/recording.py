"""A recording of a real session: an asciinema cast and pictures of its screens, for the documents.

`python -m tests.support.recording` plays the session below in a pseudo-terminal and writes what came out. Times in the
cast are those of a calm typist, not of the machine, so that a recording made anew differs only where the program does.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

from metalor_lang.editors.render import FONTS, INK, PAPER
from tests.support import bases
from tests.support.documents import ROOT
from tests.support.screens import KEYS, Screen

FOLDER = ROOT / "docs" / "images" / "repl"
COLUMNS, ROWS = 84, 20


@dataclass(frozen=True, kw_only=True)
class Type:
    """Type a text, then perhaps a key."""

    text: str
    key: str = "enter"


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Wait until the screen matches."""

    pattern: str


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Keep a picture of the screen."""

    name: str
    title: str


Act = Type | Wait | Shot

SESSION: Sequence[Act] = (
    Wait(pattern=r"^metalor 1> *$"),
    Type(text="FROM oci:debian:12 AS app"),
    Wait(pattern=r"^app 2> *$"),
    Type(text="SH printf 'hello from %s\\n' \"$(. /etc/os-release; echo $PRETTY_NAME)\" | tee /greeting"),
    Wait(pattern=r"^app 3> *$"),
    Type(text="COPY sr", key=""),
    Wait(pattern=r"^ +src/ *$"),
    Type(text="c/main.py /usr/", key=""),
    Wait(pattern=r"^ +bin/ *$"),
    Shot(name="paths", title="Menus know the context and the image; the hint says which part comes next"),
    Type(text="", key="c-c"),
    Type(text="RUN --", key=""),
    Wait(pattern=r"^ +--network +the network"),
    Shot(name="flags", title="Every word of the language, with a line of help"),
    Type(text="", key="c-c"),
    Type(text="COPY src/man.py /srv/", key=""),
    Wait(pattern=r"^E0401 "),
    Shot(name="error", title="What is wrong is underlined and explained before anything runs"),
    Type(text="", key="c-c"),
    Type(text="COPY src/main.py /srv/"),
    Wait(pattern=r"^app 4> *$"),
    Type(text="SH rm -r /srv /greeting"),
    Wait(pattern=r"^app 5> *$"),
    Type(text=":diff"),
    Wait(pattern=r"^app 5> *$(?![\s\S]*\n.*SH rm)"),
    Type(text=":undo"),
    Wait(pattern=r"^app 4> *$"),
    Type(text=":cat /greeting"),
    Wait(pattern=r"^hello from Debian[^\n]*\napp 4> *$"),
    Shot(name="undo", title="Undo brings the files back at once"),
    Type(text=":shell"),
    Wait(pattern=r"^root@metalor:/# *$"),
    Type(text="echo 'tuned=1' > /etc/app.conf; ls -l /etc/app.conf | cut -c1-10"),
    Wait(pattern=r"^-rw-r--r-- *$"),
    Type(text="exit"),
    Wait(pattern=r"THROW/keep> *$"),
    Shot(name="shell", title="What a shell changed is listed, and can become a step"),
    Type(text="throw"),
    Wait(pattern=r"^app 4> *$"),
    Type(text=":list"),
    Wait(pattern=r"^app 4> *$(?![\s\S]*:list *$)"),
    Type(text=":save app.metalor"),
    Wait(pattern=r"^app 4> *$(?![\s\S]*:save[^\n]*$)"),
    Shot(name="save", title="The recipe is saved; building it gives the same image"),
    Type(text="", key="c-d"),
)


def without_times(text: str) -> str:
    """A screen's text without what depends on the machine and the day."""
    text = re.sub(r"\b\d+(?:\.\d+)?(?: ms|s)\b *", "TIME ", text)
    text = re.sub(r"\b\d+\.\d [kMG]B\b", "SIZE", text)
    return re.sub(r" +$", "", re.sub(r" {2,}", "  ", text), flags=re.M)


@dataclass(kw_only=True)
class Recording:
    """What a session showed."""

    cast: list[tuple[float, str]]
    shots: list[tuple[Shot, pyte.Screen, str]]


def record(session: Sequence[Act] = SESSION) -> Recording:
    """Play a session and keep what it showed."""
    with tempfile.TemporaryDirectory(prefix="metalor-recording-") as folder:
        place = Path(folder)
        (place / "app" / "src").mkdir(parents=True)
        (place / "app" / "src" / "main.py").write_text("print('hello')\n")
        (place / "app" / "debian").symlink_to(bases.base("debian"))
        env = {
            "PATH": os.environ["PATH"], "HOME": folder, "TERM": "xterm-256color", "LANG": "C.UTF-8",
            "METALOR_STORE": str(place / "store"), "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(place / "state"),
        }  # fmt: skip
        argv = [sys.executable, "-m", "metalor_lang", "repl"]
        screen = Screen(argv, folder=place / "app", env=env, columns=COLUMNS, rows=ROWS)
        try:
            return _play(screen, session)
        finally:
            screen.close()


def _play(screen: Screen, session: Sequence[Act]) -> Recording:
    made = Recording(cast=[], shots=[])
    clock = 0.0

    def heard(data: bytes) -> None:
        made.cast.append((round(clock, 3), data.decode("utf-8", "replace")))

    screen.heard = heard
    for act in session:
        match act:
            case Type(text=text, key=key):
                for char in text:
                    screen.type(char)
                    screen.settle(0.03)
                    clock += 0.05
                screen.settle()
                clock += 0.4
                if key:
                    screen.type(KEYS[key])
                    screen.read(1)
            case Wait(pattern=pattern):
                screen.wait(pattern, 60)
                screen.settle(0.2)
                clock += 0.6
            case Shot():
                screen.settle(0.3)
                made.shots.append((act, _copy(screen.screen), screen.text))
                clock += 2.0
    assert screen.ended() == 0
    return made


def _copy(screen: pyte.Screen) -> pyte.Screen:
    copy = pyte.Screen(screen.columns, screen.lines)
    for y in range(screen.lines):
        for x in range(screen.columns):
            copy.buffer[y][x] = screen.buffer[y][x]
    copy.cursor.x, copy.cursor.y, copy.cursor.hidden = screen.cursor.x, screen.cursor.y, screen.cursor.hidden
    return copy


# ---- files -------------------------------------------------------------------------------------------------------

_COLOURS = {
    "black": "#1c1f26", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b", "blue": "#61afef",
    "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#dcdfe4", "brightblack": "#7f8694", "brightred": "#e06c75",
    "brightgreen": "#98c379", "brightbrown": "#e5c07b", "brightblue": "#61afef", "brightmagenta": "#c678dd",
    "brightcyan": "#56b6c2", "brightwhite": "#ffffff",
}  # fmt: skip
_WIDE, _HIGH = 8.4, 18


def svg(screen: pyte.Screen, title: str, paper: str = PAPER) -> str:
    """A picture of a screen, every character in its cell."""
    width, height = screen.columns * _WIDE + 24, screen.lines * _HIGH + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{paper}"/>',
        f'<g font-family="{FONTS}" font-size="14" xml:space="preserve">',
    ]
    for y in range(screen.lines):
        out += _row(screen, y)
    if not screen.cursor.hidden:
        x, y = 12 + screen.cursor.x * _WIDE, 12 + screen.cursor.y * _HIGH
        out.append(f'<rect x="{x:g}" y="{y + 1:g}" width="{_WIDE:g}" height="16" fill="{INK}" opacity="0.6"/>')
    return "\n".join([*out, "</g>", "</svg>", ""])


def _row(screen: pyte.Screen, y: int) -> list[str]:
    out: list[str] = []
    x = 0
    while x < screen.columns:
        first = screen.buffer[y][x]
        look = first._replace(data="")
        end = x
        while end < screen.columns and screen.buffer[y][end]._replace(data="") == look:
            end += 1
        text = "".join(screen.buffer[y][at].data for at in range(x, end))
        fore, back = _colour(first.fg, INK), _colour(first.bg, "")
        if first.reverse:
            fore, back = back or PAPER, fore
        left, top = 12 + x * _WIDE, 12 + y * _HIGH
        if back:
            out.append(f'<rect x="{left:g}" y="{top:g}" width="{(end - x) * _WIDE:g}" height="{_HIGH}" fill="{back}"/>')
        if text.strip():
            style = ' font-weight="bold"' if first.bold else ""
            style += ' text-decoration="underline"' if first.underscore else ""
            length = f' textLength="{len(text.rstrip()) * _WIDE:g}"'
            out.append(
                f'<text x="{left:g}" y="{top + 14:g}" fill="{fore}"{style}{length}>{escape(text.rstrip())}</text>'
            )
        x = end
    return out


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return _COLOURS.get(name) or f"#{name}"


def cast(recording: Recording) -> str:
    """An asciinema recording, version 2."""
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "metalor repl", "env": {"TERM": "xterm-256color"}}
    lines = [json.dumps(head)]
    lines += [json.dumps([when, "o", data], ensure_ascii=False) for when, data in recording.cast]
    return "\n".join(lines) + "\n"


def screens(recording: Recording) -> str:
    """The screens' text, as the test compares it."""
    return "".join(f"==== {shot.name}\n{without_times(text)}\n" for shot, _, text in recording.shots)


def main() -> None:
    """Write the recording anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = record()
    (FOLDER / "session.cast").write_text(cast(made), encoding="utf-8")
    (FOLDER / "screens.txt").write_text(screens(made), encoding="utf-8")
    for shot, screen, _ in made.shots:
        (FOLDER / f"{shot.name}.svg").write_text(svg(screen, shot.title), encoding="utf-8")
    print(f"{len(made.shots)} screens in {FOLDER}")


if __name__ == "__main__":
    main()
