"""What a Buildah that is too old for something in a Dockerfile is given instead."""

import pytest

from metalor_lang.errors import MachineError
from metalor_lang.proving.older import CONTEXT, rewritten

OLD, NEW = (1, 28, 2), (1, 33, 0)


def body(text: str) -> str:
    return rewritten(f"FROM a\n{text}\n", OLD).text.removeprefix("FROM a\n").removesuffix("\n")


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("RUN echo hi", "RUN echo hi"),
        ("RUN echo a \\\n # c\n   b", "RUN echo a \\\n # c\n   b"),
        ("# comment\nRUN echo", "\nRUN echo"),
        ("RUN --network=none echo hi", "RUN echo hi"),
        ("RUN --network=none --mount=type=tmpfs,target=/t echo", "RUN --mount=type=tmpfs,target=/t echo"),
        ("COPY --link --chown=5:6 f /f", "COPY --chown=5:6 f /f"),
        ("ADD --checksum=sha256:00 http://x/y /z", "ADD http://x/y /z"),
        ("RUN <<EOF\na\n  b\nEOF", r'RUN ["/bin/sh", "-c", "a\n  b\n"]'),
        ("RUN <<-'EOF'\n\ta\n\tEOF", r'RUN ["/bin/sh", "-c", "a\n"]'),
        ("RUN cat <<EOF > /x\na\nEOF", r'RUN ["/bin/sh", "-c", "cat <<EOF > /x\na\nEOF\n"]'),
        ('SHELL ["/bin/bash", "-c"]\nRUN <<E\na\nE', 'SHELL ["/bin/bash", "-c"]\nRUN ["/bin/bash", "-c", "a\\n"]'),
        ('SHELL ["x"]\nFROM b\nRUN <<E\na\nE', 'SHELL ["x"]\nFROM b\nRUN ["/bin/sh", "-c", "a\\n"]'),
        ("COPY --chmod=755 <<'EOF' /x\n$a\nEOF", f"COPY --from={CONTEXT} --chmod=755 2/EOF /x"),
        ("COPY <<a <<b /d/\n1\na\n2\nb", f"COPY --from={CONTEXT} 2/a 2/b /d/"),
    ],
)  # fmt: skip
def test_what_it_is_given(text: str, given: str) -> None:
    assert body(text) == given


def test_the_shell_of_a_stage_below() -> None:
    text = 'FROM a AS one\nSHELL ["/bin/bash", "-c"]\nFROM one\nRUN <<E\nx\nE\n'
    assert 'RUN ["/bin/bash", "-c", "x\\n"]' in rewritten(text, OLD).text


def test_files_of_here_documents() -> None:
    older = rewritten("FROM a\nCOPY <<-one <<'two' /d/\n\t1\n\tone\n$2\ntwo\n", OLD)
    assert older.files == {"2/one": "1\n", "2/two": "$2\n"}
    assert older.said == ("line 2: Buildah 1.28.2 was given the here document as a file",)


def test_what_was_changed_is_said() -> None:
    older = rewritten("FROM a\nRUN --network=none echo\nCOPY --link f /f\n", OLD)
    assert older.said == (
        "line 2: --network was left out for Buildah 1.28.2, which does not know it",
        "line 3: --link was left out for Buildah 1.28.2, which does not know it",
    )


@pytest.mark.parametrize(
    "text",
    [
        "COPY <<EOF /x\n$NAME\nEOF",
        "COPY f <<EOF /x/\na\nEOF",
        "RUN <<EOF\n#!/bin/sh\nEOF",
    ],
)
def test_what_has_no_other_way(text: str) -> None:
    with pytest.raises(MachineError, match="cannot be given that in any other way") as error:
        rewritten(f"FROM a\n{text}\n", OLD)
    assert error.value.help == "install Buildah 1.33 or newer"
    assert error.value.message.startswith("line 2 of the Dockerfile has a here document")


def test_a_new_one_gets_the_file_itself() -> None:
    text = "FROM a\nRUN --network=none <<EOF\na\nEOF\nCOPY <<EOF /x\n$NAME\nEOF\n"
    older = rewritten(text, NEW)
    assert (older.text, older.files, older.said) == (text, {}, ())
