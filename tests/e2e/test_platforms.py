"""`metalor build --platform …` for one other platform and for several, read back with skopeo and umoci."""

import json
import shutil
import subprocess
import tarfile

import pytest

from metalor_lang.checker.platforms import host_platform
from metalor_lang.oci.layout import Layout
from tests.support.bases import base
from tests.support.registry import registries_conf, registry
from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration

HERE = str(host_platform())
OTHER = "linux/arm64" if HERE != "linux/arm64" else "linux/amd64"
THREE = ("linux/amd64", "linux/arm64", "linux/riscv64")
LIST = ",".join(THREE)

FILES = '''\
FROM BASE AS app
FILE /where """
    ${TARGETPLATFORM}
    """
ENV ARCH=${TARGETARCH}
LABEL org.example.arch=${TARGETARCH}
ANNOTATE org.example.note=hello
CMD ["cat", "/where"]
'''

# Steps run on this machine's busybox; what is shipped is for every platform.
CROSS = """\
FROM --platform=HERE BASE AS tool
SH echo tool > /tool; echo the tool runs
FROM --platform=HERE BASE AS make
SH echo begin > /begin; echo the maker begins
SH --arg=TARGETARCH echo "for $TARGETARCH" > /out; echo "made for $TARGETARCH"
FROM BASE AS app
COPY --from=tool /tool /tool
COPY --from=make /out /out
"""


@pytest.fixture
def shop(tmp_path):
    workshop = Workshop(tmp_path, "busybox-multi")
    yield workshop
    shutil.rmtree(tmp_path, ignore_errors=True)


def skopeo(*words):
    return subprocess.run(["skopeo", "--insecure-policy", *words], capture_output=True, text=True, check=True).stdout


def raw(source):
    return json.loads(skopeo("inspect", "--raw", source))


def config(layout, platform):
    return Layout.open(layout).select("1", platform).config


def file_in_top_layer(layout, platform, name):
    opened = Layout.open(layout)
    selection = opened.select("1", platform)
    for layer in reversed(selection.manifest.layers):
        with tarfile.open(opened.blob_path(layer.digest)) as tar:
            if name in tar.getnames():
                return tar.extractfile(name).read().decode()
    raise AssertionError(f"no {name}")


def ran(events):
    return sorted((each["platform"], each["title"], each["text"]) for each in events if each["event"] == "step-started")


@pytest.mark.parametrize("platform", THREE)
def test_one_platform_selects_the_manifest_and_is_the_images(shop, platform):
    shop.recipe(FILES)
    shop.run("build", "app.metalor", "--platform", platform, "-o", "oci:out:1")
    manifest = raw(f"oci:{shop.path}/out:1")
    assert "manifests" not in manifest
    below = Layout.open(base("busybox-multi")).select("12", platform)
    assert manifest["layers"][0]["digest"] == below.manifest.layers[0].digest
    made = json.loads(skopeo("inspect", "--config", "--raw", f"oci:{shop.path}/out:1"))
    assert f"{made['os']}/{made['architecture']}" == platform and "variant" not in made
    assert file_in_top_layer(shop.path / "out", platform, "where") == f"{platform}\n"


@pytest.mark.parametrize(
    ("platform", "architecture", "variant"),
    [("linux/arm/v7", "arm", "v7"), ("linux/arm64/v8", "arm64", "v8"), ("linux/riscv64", "riscv64", None)],
)
def test_from_scratch_the_platform_is_what_was_asked_for(shop, platform, architecture, variant):
    shop.recipe("FROM scratch\nFILE /a '''\n    a\n    '''\n")
    shop.run("build", "app.metalor", "--platform", platform, "-o", "oci:out:1")
    made = json.loads(skopeo("inspect", "--config", "--raw", f"oci:{shop.path}/out:1"))
    assert (made["architecture"], made.get("variant")) == (architecture, variant)


def test_a_base_without_the_platform_is_refused_with_those_it_has(shop):
    shop.recipe(FILES)
    done = shop.run("build", "app.metalor", "--platform", "linux/amd64,linux/s390x", status=1)
    assert "has no image for linux/s390x; it is there for linux/amd64, linux/arm64, linux/riscv64" in done.stderr
    assert not list((shop.path / "store" / "steps").rglob("*.json"))


def test_several_platforms_make_one_index(shop):
    shop.recipe(FILES)
    done = shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:1", "-o", "oci-archive:out.tar:1")
    index = raw(f"oci:{shop.path}/out:1")
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert set(index) == {"schemaVersion", "mediaType", "manifests"}
    platforms = [f"{each['platform']['os']}/{each['platform']['architecture']}" for each in index["manifests"]]
    assert platforms == list(THREE)
    top = Layout.open(shop.path / "out").index()
    assert [(each.digest, each.tag) for each in top.manifests] == [(done.stdout.strip(), "1")]
    for platform in THREE:
        made = Layout.open(shop.path / "out").select("1", platform)
        assert made.manifest.annotations == (("org.example.note", "hello"),)
        architecture = platform.partition("/")[2]
        assert made.config.platform.architecture == architecture
        assert dict(made.config.config.labels) == {"org.example.arch": architecture}
        assert dict(made.config.config.env)["ARCH"] == architecture
        assert file_in_top_layer(shop.path / "out", platform, "where") == f"{platform}\n"
    assert raw(f"oci-archive:{shop.path}/out.tar:1") == index


def test_each_manifest_is_that_of_a_build_for_its_platform_alone(shop):
    shop.recipe(FILES)
    shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:1")
    for platform in THREE:
        alone = shop.run("build", "app.metalor", "--platform", platform, "-o", "oci:alone:1", store="fresh")
        assert Layout.open(shop.path / "out").select("1", platform).descriptor.digest == alone.stdout.strip()


def test_the_index_is_the_same_in_any_order_and_store(shop):
    shop.recipe(FILES)
    first = shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci-archive:a.tar:1")
    backwards = ",".join(reversed(THREE))
    second = shop.run("build", "app.metalor", "--platform", backwards, "-o", "oci-archive:b.tar:1", store="second")
    assert first.stdout == second.stdout
    assert (shop.path / "a.tar").read_bytes() == (shop.path / "b.tar").read_bytes()


def test_other_tools_read_the_index(shop):
    shop.recipe(FILES)
    shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:1")
    skopeo("copy", "--all", "--preserve-digests", f"oci:{shop.path}/out:1", f"oci:{shop.path}/copy:1")
    assert raw(f"oci:{shop.path}/copy:1") == raw(f"oci:{shop.path}/out:1")
    for platform in THREE:
        architecture = platform.partition("/")[2]
        one = shop.path / architecture
        skopeo("--override-arch", architecture, "copy", f"oci:{shop.path}/out:1", f"oci:{one}:1")
        tree = shop.path / f"tree-{architecture}"
        subprocess.run(["umoci", "unpack", "--rootless", "--image", f"{one}:1", tree], check=True, capture_output=True)
        assert (tree / "rootfs" / "where").read_text() == f"{platform}\n"
        layout = Layout.open(base("busybox-multi")).select("12", platform)
        assert Layout.open(one).select("1").manifest.layers[0].digest == layout.manifest.layers[0].digest


def test_the_index_is_pushed_as_it_is(shop, monkeypatch):
    with registry(shop.path / "registry") as host:
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries_conf(shop.path, host)))
        shop.recipe(FILES)
        there = f"docker://{host}/out/app:1"
        done = shop.run("build", "app.metalor", "--platform", LIST, "-o", there, "-o", "oci:out:1")
        conf = f"--registries-conf={shop.path}/registries.conf"
        assert json.loads(skopeo(conf, "inspect", "--raw", there)) == raw(f"oci:{shop.path}/out:1")
        shop.recipe(f'FROM {host}/out/app@{done.stdout.strip()}\nCMD ["x"]\n', "next")
        shop.run("build", "next.metalor", "--platform", OTHER, "-o", "oci:next:1")
        assert file_in_top_layer(shop.path / "next", OTHER, "where") == f"{OTHER}\n"


def test_an_index_stands_beside_other_images_of_a_layout(shop):
    shop.recipe(FILES)
    shop.run("build", "app.metalor", "--platform", OTHER, "-o", "oci:out:one")
    shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:all")
    assert Layout.open(shop.path / "out").tags() == ("all", "one")
    assert Layout.open(shop.path / "out").select("one").config.platform.architecture == OTHER.partition("/")[2]


@pytest.mark.parametrize("output", ["docker-archive:a.tar:app:1", "rootfs:tree", "tar:a.tar"])
def test_outputs_with_room_for_one_platform_are_refused_before_anything(shop, output):
    shop.recipe("FROM this is not even read")
    done = shop.run("build", "app.metalor", "--platform", LIST, "-o", output, status=2)
    assert (
        f"{output} holds one platform, and --platform asks for linux/amd64, linux/arm64, linux/riscv64" in done.stderr
    )
    assert "write oci:DIR[:TAG], oci-archive:FILE[:TAG], docker://NAME:TAG, or build one platform" in done.stderr
    assert sorted(path.name for path in shop.path.iterdir()) == ["app.metalor"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("linux/arm64,linux/arm64/v8", "`linux/arm64/v8` stands twice"),
        ("linux/arm64,", "`` is no platform"),
        ("linux/arm64,linux/x86_64", "there is no architecture `x86_64`"),
        ("linux/arm64,windows/amd64", "only images of linux can be built"),
    ],
)
def test_a_wrong_list_is_refused(shop, value, message):
    shop.recipe(FILES)
    done = shop.run("build", "app.metalor", "--platform", value, status=2)
    assert message in done.stderr


def test_a_target_that_is_always_for_one_platform_is_refused(shop):
    shop.recipe(FILES.replace("FROM ", f"FROM --platform={HERE} "))
    done = shop.run("build", "app.metalor", "--platform", f"{HERE},{OTHER}", status=1)
    assert "E0507" in done.stderr and f"the target is for {HERE} always, so there is none for {OTHER}" in done.stderr
    shop.run("build", "app.metalor", "--platform", OTHER, "-o", "oci:out:1")
    assert str(config(shop.path / "out", None).platform) == HERE


@pytest.mark.parametrize("more", [(), ("--no-cache",), ("--jobs", "1"), ("--no-cache", "--jobs", "8")])
def test_what_platforms_share_runs_once(shop, more):
    shop.recipe(CROSS.replace("HERE", HERE))
    events = shop.events("app.metalor", "--platform", LIST, "-o", "oci:out:1", *more)
    started = [text for _, _, text in ran(events)]
    assert started.count("SH echo tool > /tool; echo the tool runs") == 1
    assert started.count("SH echo begin > /begin; echo the maker begins") == 1
    assert len([text for text in started if "TARGETARCH" in text]) == 3
    for platform in THREE:
        architecture = platform.partition("/")[2]
        assert file_in_top_layer(shop.path / "out", platform, "out") == f"for {architecture}\n"
        assert file_in_top_layer(shop.path / "out", platform, "tool") == "tool\n"
    finished = next(each for each in events if each["event"] == "build-finished")
    # One tool, one begin, three outs, two copies for each of three; the other two makers take `begin` from the first.
    assert (finished["ran"], finished["cached"]) == (11, 2)
    again = shop.events("app.metalor", "--platform", LIST, "--expect-cached")
    assert ran(again) == []


def test_progress_says_which_platform_a_stage_is_for(shop):
    shop.recipe(CROSS.replace("HERE", HERE))
    done = shop.run("build", "app.metalor", "--platform", LIST, "--progress", "plain")
    lines = done.stderr.splitlines()
    assert lines[0] == "building app (app) for linux/amd64, linux/arm64, linux/riscv64, 13 steps"
    assert "[tool 1/1] | the tool runs" in lines
    for platform in THREE:
        assert f"[{platform} make 2/2] | made for {platform.partition('/')[2]}" in lines
        assert any(line.startswith(f"[{platform} app 2/2] done in") for line in lines)
    events = shop.events("app.metalor", "--platform", LIST)
    begun = next(each for each in events if each["event"] == "build-started")
    assert begun["platforms"] == list(THREE)
    assert set(begun["stages"]) == {"tool", *(f"{each} {name}" for each in THREE for name in ("make", "app"))}
    of = {each["title"]: each["platform"] for each in events if each["event"] == "step-cached"}
    assert of["tool"] == HERE and of[f"{OTHER} app"] == OTHER and of[f"{OTHER} make"] == HERE


def test_one_platform_is_not_named_in_progress(shop):
    shop.recipe(CROSS.replace("HERE", HERE))
    done = shop.run("build", "app.metalor", "--platform", OTHER, "--progress", "plain")
    assert done.stderr.splitlines()[0] == "building app (app), 5 steps"
    assert any(line.startswith("[app 2/2]") for line in done.stderr.splitlines())


def test_a_failure_for_one_platform_fails_the_build(shop):
    shop.recipe(CROSS.replace("HERE", HERE).replace('echo "made', 'test $TARGETARCH != riscv64; echo "made'))
    done = shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:out:1", "--progress", "plain", status=1)
    assert "[linux/riscv64 make 2/2] failed after" in done.stderr
    assert not (shop.path / "out").exists()
    assert shop.leftovers() == []


def test_without_an_output_every_platform_stays_in_the_store(shop):
    shop.recipe(FILES)
    direct = shop.run("build", "app.metalor", "--platform", LIST, "-o", "oci:direct:1").stdout
    shop.run("build", "app.metalor", "--platform", LIST)
    assert shop.run("export", "app", "oci:out:1").stdout == direct
    assert raw(f"oci:{shop.path}/out:1") == raw(f"oci:{shop.path}/direct:1")
    shop.run("export", "app", "oci:one:1", "--platform", OTHER)
    assert str(config(shop.path / "one", None).platform) == OTHER
    shop.run("export", "app", "oci:two:1", "--platform", f"{OTHER},{HERE}")
    assert len(raw(f"oci:{shop.path}/two:1")["manifests"]) == 2
    shop.run("export", "app", f"rootfs:{shop.path}/tree", "--platform", OTHER)
    assert (shop.path / "tree" / "where").read_text() == f"{OTHER}\n"
    done = shop.run("export", "app", "tar:a.tar", status=2)
    assert "tar:a.tar holds one platform" in done.stderr
    done = shop.run("export", "app", "oci:three:1", "--platform", "linux/s390x", status=2)
    assert "'app' was built for linux/amd64,linux/arm64,linux/riscv64, not for linux/s390x" in done.stderr


def test_run_takes_this_machines_image_or_the_one_named(shop):
    shop.recipe(FILES)
    shop.run("build", "app.metalor", "--platform", LIST)
    assert shop.run("run", "app").stdout == f"{HERE}\n"
    assert shop.run("run", "app", "--platform", HERE).stdout == f"{HERE}\n"
    done = shop.run("run", "app", "--platform", f"{HERE},{OTHER}", status=2)
    assert "one platform is taken here, not 2" in done.stderr
    done = shop.run("run", "app", "--platform", "linux/s390x", status=2)
    assert "not for linux/s390x" in done.stderr
    others = ",".join(each for each in THREE if each != HERE)
    shop.run("build", "app.metalor", "--platform", others)
    done = shop.run("run", "app", status=2)
    assert f"and not for this machine, which is {HERE}" in done.stderr


def test_a_missing_emulator_is_said_before_anything_runs(shop):
    shop.recipe("FROM BASE\nFILE /a '''\n    a\n    '''\nSH echo hello\n")
    shop.path_variable = "/usr/sbin:/sbin"
    done = shop.run("build", "app.metalor", "--platform", f"{HERE},linux/riscv64", "--progress", "plain", status=3)
    here = HERE.partition("/")[2]
    assert (
        f"programs for riscv64 cannot run on this {here} machine: there is no qemu-riscv64-static in PATH"
        in done.stderr
    )
    assert "apt-get install qemu-user-static" in done.stderr
    assert "1/2" not in done.stderr
    assert not list((shop.path / "store" / "steps").rglob("*.json"))


def test_tests_left_out_are_listed_once(shop):
    shop.recipe(FILES + "TEST SH true\n")
    done = shop.run("build", "app.metalor", "--platform", f"{HERE}", "--no-tests")
    assert done.stderr.count("left out 1 test ") == 1
