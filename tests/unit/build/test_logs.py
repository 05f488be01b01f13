from hypothesis import given
from hypothesis import strategies as st

from metalor_lang.build.logs import TAIL_LINES, StepLog


@given(st.lists(st.binary(max_size=30), max_size=60))
def test_the_file_has_everything_and_the_tail_its_end(tmp_path_factory, chunks):
    path = tmp_path_factory.mktemp("log") / "deep" / "x.log"
    with StepLog(path) as log:
        for chunk in chunks:
            log.write(chunk)
        tail = log.tail
    whole = b"".join(chunks)
    assert path.read_bytes() == whole
    lines = whole.split(b"\n")
    if not lines[-1]:
        lines.pop()
    assert list(tail) == lines[-TAIL_LINES:]


def test_an_endless_line_is_cut_in_memory_only(tmp_path):
    with StepLog(tmp_path / "l") as log:
        for _ in range(100):
            log.write(b"x" * 1000)
        assert len(log.tail[0]) == 2000
    assert (tmp_path / "l").stat().st_size == 100_000
