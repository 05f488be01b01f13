"""A converted Dockerfile, built: heredocs, scripts, archives and secrets, which other builders here read otherwise."""

import subprocess
import sys
from pathlib import Path

import pytest

from metalor_lang.convert import convert
from tests.support import bases
from tests.support.converting import Workshop

pytestmark = pytest.mark.integration

DOCKERFILE = r"""
FROM busybox:1 AS tools
ARG V=1
RUN <<EOF
#!/bin/sh
echo "script $V" > /script
EOF
RUN <<-'EOF'
	false
	echo "after false $HOME" > /shell
	EOF
RUN echo one \
    # a comment
    two   \
    "x \
    y"\
 three > /lines
RUN cat <<A > /a && cat <<'B' > /b
$V $((1 + 1))
A
$V
B
WORKDIR /w
COPY --chmod=600 <<A <<"B" ./
a $V \$x \n
A
$V
B
ADD two.tar.xz three.tar.bz2 /un/
FROM busybox:1
ARG V=2
COPY --from=tools /script /shell /lines /a /b /un/p /un/q /w/A /w/B /out/
RUN echo "[$V] [$TARGETARCH] [${W-unset}]" > /out/v
RUN --mount=type=secret,id=word,env=WORD test -n "$WORD" && echo ${#WORD} > /out/secret
RUN --mount=type=bind,from=tools,source=/w,target=/shown ls /shown > /out/shown
"""
GIVES = {
    "script": "script 1", "shell": "after false /root", "lines": "one two x     y three", "a": "1 2", "b": "$V",
    "p": "p", "q": "q", "A": "a 1 $x n", "B": "$V", "v": "[2] [] [unset]", "secret": "9", "shown": "A\nB",
}  # fmt: skip


def test_a_converted_dockerfile_does_what_docker_does(tmp_path: Path) -> None:
    for name, archive in (("p", "two.tar.xz"), ("q", "three.tar.bz2")):
        (tmp_path / name).write_text(f"{name}\n")
        flag = "-cJf" if archive.endswith("xz") else "-cjf"
        subprocess.run(["tar", flag, tmp_path / archive, "-C", tmp_path, name], check=True)
    (tmp_path / "word").write_text("n1ne-long")
    converted = convert(DOCKERFILE, name="Dockerfile", world=Workshop(tmp_path, tmp_path / "Dockerfile", tmp_path))
    assert converted.ok, converted.lines
    recipe = tmp_path / "app.metalor"
    recipe.write_text(converted.recipe.replace("FROM busybox:1", f"FROM oci:{bases.base('busybox')}:1"))
    out = tmp_path / "tree"
    options = ["--store", tmp_path / "store", "-o", f"rootfs:{out}", "--secret", f"word={tmp_path / 'word'}"]
    words = [sys.executable, "-m", "metalor_lang", "build", recipe, *options]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_text().removesuffix("\n") for path in (out / "out").iterdir()} == GIVES
    assert (out / "out/A").stat().st_mode & 0o777 == 0o600
