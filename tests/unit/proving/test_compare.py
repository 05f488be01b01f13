"""What differs between two images, and what is set aside."""

from dataclasses import replace

import pytest

from metalor_lang.proving.compare import FURNITURE, STUBS, TRACES, Entry, Kind, Picture, compare, made_for

FILE = Entry(kind=Kind.FILE, mode=0o644, uid=0, gid=0, size=3, content="ab" * 32)
STUB = Entry(kind=Kind.FILE, mode=0o755, uid=0, gid=0)
DIRECTORY = Entry(kind=Kind.DIRECTORY, mode=0o755, uid=0, gid=0)
LINK = Entry(kind=Kind.LINK, mode=0, uid=0, gid=0, target="a")


def trees(ours, theirs, traces=TRACES):
    return compare(Picture(config={}, tree=ours), Picture(config={}, tree=theirs), traces)


def configs(ours, theirs):
    return [str(each) for each in compare(Picture(config=ours, tree={}), Picture(config=theirs, tree={})).differences]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": 0o4755}, "f: mode: 0644 here, 4755 there"),
        ({"uid": 5}, "f: uid: 0 here, 5 there"),
        ({"gid": 6}, "f: gid: 0 here, 6 there"),
        ({"size": 4, "content": "cd" * 32}, "f: size: 3 bytes here, 4 bytes there"),
        ({"content": "cd" * 32}, "f: content: sha256:abababababab here, sha256:cdcdcdcdcdcd there"),
        ({"xattrs": (("user.a", "00"),)}, "f: extended attributes: none here, user.a=0x00 there"),
        ({"names": ("f", "g")}, "f: hard links: no other name here, f = g there"),
        ({"kind": Kind.FIFO}, "f: kind: file here, fifo there"),
    ],
)
def test_each_field_of_a_file(change, said):
    found = trees({"f": FILE}, {"f": replace(FILE, **change)})
    assert [str(each) for each in found.differences] == [said]


def test_targets_and_devices():
    device = Entry(kind=Kind.CHARACTER_DEVICE, mode=0o600, uid=0, gid=0, device="1:3")
    found = trees(
        {"d": device, "l": LINK}, {"d": replace(device, device="1:5"), "l": replace(LINK, target="b")}
    ).differences
    assert [str(each) for each in found] == ["d: device: 1:3 here, 1:5 there", "l: target: a here, b there"]


def test_what_one_of_them_lacks():
    found = trees({"a": FILE}, {"b": DIRECTORY}).differences
    assert [str(each) for each in found] == [
        "a: path: file here, absent there",
        "b: path: absent here, directory there",
    ]


def test_equal_images_are_equal():
    found = trees({"a": FILE, "d": DIRECTORY}, {"a": FILE, "d": DIRECTORY})
    assert found.equal
    assert (found.entries, found.aside) == (2, ())


def test_configuration():
    ours = {"env": {"A": "1", "B": "2"}, "cmd": ("ls",), "user": "u"}
    theirs = {"env": {"A": "1", "B": "3", "C": ""}, "cmd": ("ls", "-l"), "labels": {"k": "v"}}
    assert configs(ours, theirs) == [
        'config: cmd: ["ls"] here, ["ls", "-l"] there',
        'config: env B: "2" here, "3" there',
        'config: env C: unset here, "" there',
        'config: labels k: unset here, "v" there',
        'config: user: "u" here, unset there',
    ]
    assert configs(theirs, theirs) == []


@pytest.mark.parametrize("path", sorted(STUBS.paths))
def test_empty_stubs_are_set_aside(path):
    found = trees({}, {path: STUB})
    assert found.equal
    assert found.aside == ((path, STUBS.reason),)


@pytest.mark.parametrize("path", sorted(STUBS.paths))
def test_a_stub_that_the_image_has_too_is_compared(path):
    assert not trees({path: FILE}, {path: STUB}).equal


@pytest.mark.parametrize("path", sorted(STUBS.paths))
def test_a_file_with_something_in_it_is_no_stub(path):
    assert not trees({}, {path: FILE}).equal


@pytest.mark.parametrize("path", sorted(FURNITURE.paths))
def test_furniture_is_set_aside_while_it_is_empty(path):
    tree = {path: DIRECTORY}
    assert trees({}, tree).equal
    assert [each.where for each in trees({}, {**tree, f"{path}/x": FILE}).differences] == [path, f"{path}/x"]


def test_furniture_with_stubs_in_it():
    found = trees({}, {"etc": DIRECTORY, "etc/hosts": STUB})
    assert found.equal
    assert [path for path, _ in found.aside] == ["etc", "etc/hosts"]


def test_mount_points_and_what_is_above_them():
    traces = (made_for(["/var/cache/x"], "a mount point"),)
    tree = {"var": DIRECTORY, "var/cache": DIRECTORY, "var/cache/x": DIRECTORY}
    assert trees({}, tree, traces).equal
    assert trees({"var": DIRECTORY}, tree, traces).equal
    assert not trees({}, tree, ()).equal
    full = {**tree, "var/cache/y": FILE}
    assert {each.where for each in trees({}, full, traces).differences} == {"var", "var/cache", "var/cache/y"}


def test_a_trace_of_another_kind_counts():
    assert not trees({}, {"etc/hosts": LINK}).equal
    assert not trees({}, {"proc": FILE}).equal


def test_directories_of_volumes():
    theirs = Picture(config={"volumes": ("/data/x",)}, tree={"data": DIRECTORY, "data/x": DIRECTORY})
    found = compare(Picture(config={"volumes": ("/data/x",)}, tree={}), theirs)
    assert found.equal
    assert [path for path, _ in found.aside] == ["data", "data/x"]
    assert not compare(Picture(config={"volumes": ("/data/x",)}, tree={}), replace(theirs, config={})).equal
