"""LAYER: what ships as which layer, seen by this project's own reader, by skopeo, umoci and a registry."""

import json
import shutil
import subprocess
import tarfile

import pytest

from metalor_lang.oci.layout import Layout
from tests.support.documents import ROOT, fences
from tests.support.listing import listing_of
from tests.support.registry import registries_conf, registry
from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration

MARKED = """\
FROM BASE AS below
ENV COLOR=red
SH mkdir -p /opt/a /opt/b; echo one > /opt/a/one; echo two > /opt/b/two; ln /opt/a/one /opt/a/same
SH chmod 4755 /opt/b/two
LAYER "deps"
LABEL org.example.a=b
LAYER "nothing"
SH rm -r /opt/a; mkdir /opt/a; echo three > /opt/a/three
TEST SH test -e /opt/a/three
LAYER "app"
FROM below AS top
SH rm /opt/b/two; echo last > /last
CMD ["cat", "/last"]
"""


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path)
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def opened(shop, tag="1", layout="out"):
    return Layout.open(shop.path / layout).select(tag)


def names_in(shop, layer, layout="out"):
    with tarfile.open(Layout.open(shop.path / layout).blob_path(layer.digest)) as tar:
        return [member.name.rstrip("/") for member in tar]


def build(shop, *words):
    return shop.run("build", "app.metalor", "-o", "oci:out:1", *words)


def test_each_mark_ships_what_changed_since_the_last(shop):
    shop.recipe(MARKED)
    build(shop)
    _, *layers = opened(shop).manifest.layers
    held = [[name for name in names_in(shop, layer) if "." not in name] for layer in layers]
    assert held[0] == ["opt", "opt/a", "opt/a/one", "opt/a/same", "opt/b", "opt/b/two"]
    assert held[1] == ["opt", "opt/a", "opt/a/three"]
    assert {"opt/a/.wh.one", "opt/a/.wh.same"} <= set(names_in(shop, layers[1]))
    assert held[2] == ["last", "opt", "opt/b"] and "opt/b/.wh.two" in names_in(shop, layers[2])


def test_the_history_says_which_statements_each_layer_holds(shop):
    shop.recipe(MARKED)
    build(shop)
    config = json.loads(subprocess.check_output(["skopeo", "inspect", "--config", f"oci:{shop.path}/out:1"]))
    told = [
        (each["created_by"].split("; ")[0], each.get("comment"), each.get("empty_layer", False))
        for each in config["history"][1:]
    ]
    assert told == [
        ("ENV COLOR=red", None, True),
        ("SH mkdir -p /opt/a /opt/b", "layer deps", True),
        ("SH chmod 4755 /opt/b/two", "layer deps", True),
        ("LAYER deps", "layer deps", False),
        ("LABEL org.example.a=b", None, True),
        ("LAYER nothing", None, True),
        ("SH rm -r /opt/a", "layer app", True),
        ("LAYER app", "layer app", False),
        ("SH rm /opt/b/two", None, False),
        ('CMD ["cat", "/last"]', None, True),
    ]
    assert len(config["rootfs"]["diff_ids"]) == 4


def test_marks_change_no_tree_and_no_other_tool_reads_another(shop):
    shop.recipe(MARKED)
    build(
        shop, "-o", "rootfs:tree", "-o", "tar:tree.tar", "-o", "oci-archive:out.tar:1", "-o", "docker-archive:out.d:x:1"
    )
    # The same recipe without marks.
    shop.recipe("".join(line for line in MARKED.splitlines(keepends=True) if not line.startswith("LAYER")))
    plain = shop.run("build", "app.metalor", "--expect-cached", "-o", "oci:plain:1", "-o", "rootfs:plaintree")
    assert plain.returncode == 0, "a mark is in no key"
    tree = listing_of(shop.path / "tree")
    assert listing_of(shop.path / "plaintree") == tree
    images = (f"oci:{shop.path}/out:1", f"oci-archive:{shop.path}/out.tar:1", f"docker-archive:{shop.path}/out.d")
    for number, source in enumerate(images):
        copy = shop.path / f"copy{number}"
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", source, f"oci:{copy}:1"], check=True)
        subprocess.run(["umoci", "unpack", "--image", f"{copy}:1", f"{copy}-tree"], check=True, capture_output=True)
        assert listing_of(shop.path / f"copy{number}-tree" / "rootfs") == tree, source
        assert len(Layout.open(copy).select("1").manifest.layers) == 4


def test_what_stands_below_a_mark_is_not_written_again(shop):
    text = "ARG V=1\nFROM BASE\nSH echo deps > /deps\nLAYER deps\nSH --arg=V echo $V > /app\n"
    shop.recipe(text)
    build(shop)
    first = opened(shop).manifest.layers
    blobs = shop.path / "store" / "blobs" / "sha256"
    before = {path.name: path.stat().st_mtime_ns for path in blobs.iterdir()}
    build(shop, "--arg", "V=2")
    second = opened(shop).manifest.layers
    assert second[:2] == first[:2] and second[2] != first[2]
    after = {path.name: path.stat().st_mtime_ns for path in blobs.iterdir()}
    new = {f"sha256:{name}" for name in after if after[name] != before.get(name)}
    assert new == {second[2].digest}, "one layer was made"
    made = {path.name: path.stat().st_mtime_ns for path in blobs.iterdir()}
    shop.run("export", "app", "oci:more:1")
    assert {path.name: path.stat().st_mtime_ns for path in blobs.iterdir()} == made
    assert opened(shop, layout="more").manifest.layers == second


def test_a_stage_on_a_stage_ships_the_layers_of_both(shop):
    shop.recipe(MARKED)
    build(shop)
    shop.run("build", "app.metalor", "--target", "below", "-o", "oci:out:below")
    assert opened(shop).manifest.layers[:-1] == opened(shop, "below").manifest.layers


@pytest.mark.parametrize("where", ["FROM scratch", "FROM rootfs:tree"])
def test_marks_on_other_bases(shop, where):
    shop.recipe(MARKED)
    build(shop, "-o", "rootfs:tree")
    one, two = (f"FILE /{name} '''\n    {name}\n    '''\n" for name in "ab")
    shop.recipe(f"{where}\nLAYER first\n{one}LAYER second\n{two}LAYER third\n")
    build(shop)
    held = [names_in(shop, layer) for layer in opened(shop).manifest.layers]
    assert held[-2:] == [["a"], ["b"]] and len(held) == (2 if "scratch" in where else 3)


def test_layers_of_a_long_chain_are_what_they_are_of_a_short_one(shop):
    """More steps than a chain may have: snapshots from both sides of a mark are folded into one."""
    steps = []
    for number in range(64):
        place, other = f"/d/{number % 7}", f"/d/{(number + 3) % 7}"
        again = f"; rm -r {place}; mkdir {place}" if number % 11 == 0 else ""
        steps.append(f"SH mkdir -p {place}; echo {number} > {place}/f{number}; rm -f {other}/f{number - 4}{again}")
    marks = {9, 25, 40}
    lines = [
        line
        for number, step in enumerate(steps)
        for line in (step, *(["LAYER l" + str(number)] if number in marks else []))
    ]
    shop.recipe("FROM BASE\n" + "\n".join(lines) + "\n")
    build(shop, "-o", "rootfs:tree")
    chain = json.loads(next((shop.path / "store" / "refs").iterdir()).read_text())["images"][0]["chain"]
    assert len(chain) < len(steps), "no chain was folded, and nothing is tried here"
    # In few steps: each of what lies between two marks is one.
    short, begun = [], 0
    for end in (*sorted(marks), len(steps) - 1):
        body = "\n".join(f"    {step.removeprefix('SH ')}" for step in steps[begun : end + 1])
        short += [f"SH '''\n{body}\n    '''", *([f"LAYER l{end}"] if end in marks else [])]
        begun = end + 1
    shop.recipe("FROM BASE\n" + "\n".join(short) + "\n", "short")
    shop.run("build", "short.metalor", "-o", "oci:short:1")
    assert len(opened(shop).manifest.layers) == 5
    for one, two in zip(opened(shop).manifest.layers, opened(shop, layout="short").manifest.layers):
        assert names_in(shop, one) == names_in(shop, two, "short")
    subprocess.run(
        ["umoci", "unpack", "--image", f"{shop.path}/out:1", shop.path / "bundle"], check=True, capture_output=True
    )
    assert listing_of(shop.path / "bundle" / "rootfs") == listing_of(shop.path / "tree")


def test_a_registry_is_sent_the_layers_it_does_not_have(shop, tmp_path_factory, monkeypatch):
    text = "ARG V=1\nFROM BASE\nSH echo deps > /deps\nLAYER deps\nSH --arg=V echo $V > /app\n"
    shop.recipe(text)
    with registry(tmp_path_factory.mktemp("registry")) as name:
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries_conf(shop.path, name)))
        for version in "12":
            shop.run("build", "app.metalor", "--arg", f"V={version}", "-o", f"docker://{name}/app:{version}")
        found = [
            json.loads(
                subprocess.check_output(
                    ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{name}/app:{version}"]
                )
            )
            for version in "12"
        ]
    assert [len(each["layers"]) for each in found] == [3, 3]
    assert found[0]["layers"][:2] == found[1]["layers"][:2] and found[0]["layers"][2] != found[1]["layers"][2]


def test_every_platform_has_its_layers(tmp_path):
    shop = Workshop(tmp_path, "busybox-multi")
    shop.recipe(
        'FROM BASE\nFILE /one """\n    ${TARGETARCH}\n    """\nLAYER "one"\nFILE /two \'\'\'\n    two\n    \'\'\'\n'
    )
    shop.run("build", "app.metalor", "--platform", "linux/amd64,linux/arm64", "-o", "oci:out:1")
    for platform in ("linux/amd64", "linux/arm64"):
        selection = Layout.open(tmp_path / "out").select("1", platform)
        assert [names_in(shop, layer) for layer in selection.manifest.layers[1:]] == [["one"], ["two"]]


def test_plan_shows_marks_and_runs_none(shop):
    shop.recipe(MARKED)
    told = shop.run("plan", "app.metalor").stdout
    assert "layer " in told and "LAYER deps" in told and "5 steps would run" in told
    build(shop)
    again = shop.run("plan", "app.metalor").stdout
    assert "0 steps would run" in again
    events = shop.events("app.metalor", "--expect-cached")
    assert [each["text"] for each in events if each["event"] == "step-configured" and each["kind"] == "layer"] == [
        "LAYER deps", "LAYER nothing", "LAYER app"
    ]  # fmt: skip


# --- what one would have saved --------------------------------------------------------------------------------------

SAVED = """\
ARG V=1
FROM BASE
SH head -c 20000000 /dev/zero > /big; head -c 15000000 /dev/zero > /gone; mkdir /d; head -c 15000000 /dev/zero > /d/gone
SH rm -r /gone /d
LABEL org.example.v=${V}
SH --arg=V head -c 1000 /dev/zero > /small; echo $V >> /small
"""


def advice(done):
    return [line for line in done.stderr.splitlines() if line.startswith("a LAYER above")]


def test_a_build_says_what_a_layer_would_have_saved(shop):
    shop.recipe(SAVED)
    assert advice(build(shop)) == [], "nothing was exported before"
    assert advice(build(shop)) == [], "nothing is written again"
    said = advice(build(shop, "--arg", "V=2"))
    assert said == [
        "a LAYER above line 6 (SH --arg=V head -c 1000 /dev/zero > /small; echo $V >> /small) would have saved"
        " 20.0 MB: files that the last build exported too were written again"
    ], "what was deleted since is not counted"
    # In JSON it is an event, and what it says is true: with that mark nothing is left to be said.
    last = shop.events("app.metalor", "--arg", "V=3", "-o", "oci:out:1")[-1]
    assert last["event"] == "notice" and "would have saved 20.0 MB" in last["text"]
    shop.recipe(SAVED.replace("LABEL", 'LAYER "big"\nLABEL'))
    build(shop, "--arg", "V=4")
    assert advice(build(shop, "--arg", "V=5")) == []


@pytest.mark.parametrize(
    "changed",
    {
        "everything": SAVED.replace("20000000", "20000001"),
        "what the big files are made on": SAVED.replace("SH head", "SH true; head"),
        "too little": SAVED.replace("rm -r /gone /d", "rm -r /big /gone /d"),
        "the end went": SAVED[: SAVED.index("SH --arg")],
        "a small part of much": SAVED.replace("1000 /dev/zero", "250000000 /dev/zero"),
    }.items(),
    ids=lambda each: each[0],
)
def test_it_says_nothing_where_that_would_not_be_true_or_not_worth_it(shop, changed):
    before = SAVED.replace("rm -r /gone /d", "rm -r /big /gone /d") if changed[0] == "too little" else SAVED
    shop.recipe(before)
    build(shop)
    shop.recipe(changed[1])
    assert advice(build(shop, "--arg", "V=2")) == []


def test_no_export_no_word(shop):
    shop.recipe(SAVED)
    shop.run("build", "app.metalor")
    assert advice(build(shop, "--arg", "V=2")) == [], "the last build exported nothing"
    assert advice(shop.run("build", "app.metalor", "--arg", "V=3", "-o", "rootfs:tree")) == [], "a tree has no layers"


def test_the_examples_of_the_reference_are_true(shop):
    found = [
        fence.body
        for fence in fences(ROOT / "docs" / "reference" / "language.md")
        if fence.language == "metalor" and "run" in fence.words and "\nLAYER " in fence.body
    ]
    assert found
    for text in found:
        shop.recipe(text.replace("FROM debian:12", "FROM BASE"))
        build(shop)
        marks = text.count("\nLAYER ")
        assert len(opened(shop).manifest.layers) >= 1 + marks
