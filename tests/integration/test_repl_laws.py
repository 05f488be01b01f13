"""Whatever is typed, undone and gone to: what stands there in the end is what a build of the saved recipe gives."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.support.bases import reference
from tests.support.workshop import Workshop

pytestmark = pytest.mark.integration
SEQUENCES = int(os.environ.get("METALOR_REPL_SEQUENCES", "25"))

STATEMENTS = (
    "FROM BASE AS one",
    "FROM BASE AS two",
    "FROM one AS three",
    "FROM scratch AS four",
    "SH echo a >> /log",
    "SH echo b >> /log; mkdir -p /d/e; ln -sf /log /d/link",
    "SH rm -rf /d; echo gone >> /log",
    'SH echo "$WORD" >> /log',
    'SH pwd >> /tmp/where; id -u >> /tmp/where; echo "${COLOR:-none}" >> /tmp/where',
    "ARG WORD=first",
    "ENV COLOR=red",
    "ENV COLOR=${COLOR}der",
    "UNSET ENV COLOR",
    "WORKDIR /srv/app",
    "USER user",
    "USER root",
    "COPY file /srv/",
    "COPY file ./there",
    "COPY --from=one /log /from-one",
    "COPY --from=two / /all/",
    "FILE --chmod=600 /etc/written '''\n  text\n  '''",
    "LABEL a=b",
    'CMD ["/bin/sh"]',
    "EXPOSE 80",
    "TEST SH test -e /bin/sh",
    "TEST SH test ! -e /d",
    "SH false",
    "COPPY",
    "DEFINE note text\n    SH echo $text >> /log\n    ENV NOTED=${text}\nEND",
    "DEFINE grow size=1\n    FOR N IN a ${size}\n        SH echo $N >> /sizes\n    END\nEND",
    "USE note text=used",
    "USE grow",
    "USE grow size=${WORD}",
    "FOR N IN x y\n    SH echo $N >> /log\n    COPY file /copied-${N}\nEND",
    "FOR STAGE IN 1 2\n    FROM BASE\n    SH echo $STAGE > /stage\nEND",
    "IF ${WORD} == second\n    SH echo so >> /log\nELSE\n    ENV COLOR=blue\n    TEST SH true\nEND",
    "IF ${TARGETOS} == linux\n    FROM BASE AS five\n    SH echo five >> /log\nEND",
    "IF ${WORD} == none\n    SH false\nEND",
    "IF ${TARGETOS} == linux\n    SH echo kept >> /log\n    SH false\nEND",
)
USES = tuple(text for text in STATEMENTS if text.startswith("USE"))
BLOCKS = tuple(text for text in STATEMENTS if text.endswith("END"))
MOVES = (":undo", ":undo", ":undo 2", ":redo", ":redo 2", ":goto 1", ":goto 2", ":goto 3", ":goto one", ":goto two",
         ":continue", ":continue", ":next", ":retry", ":set WORD=second", ":set WORD=third", ":replay", "!write second",
         "!write third\n")  # fmt: skip
WRITES = tuple(text for text in STATEMENTS if ">>" in text or text.startswith(("COPY", "FILE")))
GOTO = st.sampled_from((":goto 1", ":goto 2", ":goto 3", ":goto one", ":undo", ":undo 2"))
# What people do in a row: chance alone seldom puts something in the middle and goes on from there.
TURNS = st.one_of(
    st.tuples(st.sampled_from(STATEMENTS)),
    st.tuples(st.sampled_from(WRITES), st.sampled_from(WRITES)),
    st.tuples(st.sampled_from(MOVES)),
    st.tuples(
        st.just("FROM BASE AS two"),
        st.sampled_from(WRITES),
        st.just("FROM one AS three"),
        st.sampled_from(("COPY --from=two / /all/", "COPY --from=one /log /from-one")),
    ),
    st.tuples(GOTO, st.sampled_from(WRITES), st.just(":continue")),
    st.tuples(GOTO, st.sampled_from(STATEMENTS), st.sampled_from(MOVES)),
    st.tuples(st.just("ARG WORD=first"), st.just('SH echo "$WORD" >> /log'), st.sampled_from(MOVES)),
    st.tuples(st.sampled_from(BLOCKS), st.sampled_from(USES), st.sampled_from(MOVES)),
    st.tuples(st.just("ARG WORD=first"), st.sampled_from(BLOCKS), st.sampled_from(MOVES)),
    st.tuples(st.sampled_from(("!write second", "!write third")), st.sampled_from(STATEMENTS)),
)
TEXTS = st.lists(TURNS, min_size=2, max_size=10).map(lambda turns: [text for turn in turns for text in turn])


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    workshop = Workshop(tmp_path_factory.mktemp("laws"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.session_laws", reference("busybox")],
        cwd=workshop.path,
        env=workshop.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(texts):
        process.stdin.write(json.dumps({"texts": texts}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the session died"
        return json.loads(line)

    yield ask
    process.stdin.close()
    process.stdout.close()
    assert process.wait(60) == 0


COUNTS: Counter[str] = Counter()


@settings(max_examples=SEQUENCES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=TEXTS)
def test_the_state_is_what_a_build_of_the_saved_recipe_gives(ask, texts):
    answer = ask(["FROM BASE AS one", *texts])
    note(answer.get("recipe", ""))
    COUNTS["nothing" if answer["session"] is None else "something"] += 1
    if answer["session"] is not None:
        assert answer["cached"] == answer["session"]
        assert answer["anew"] == answer["session"]


def test_most_sequences_ended_with_an_image():
    """Runs behind the property: it must have had something to compare."""
    assert COUNTS["something"] > COUNTS["nothing"]
