"""A time is read without `datetime` as with it."""

from hypothesis import example, given
from hypothesis import strategies as st

from metalor_lang.oci import moments

NEARLY = st.builds(
    "{}-{}-{}T{}:{}:{}{}".format,
    st.integers(0, 9999).map(lambda year: f"{year:04}"),
    *(st.integers(0, most).map(lambda number: f"{number:02}") for most in (13, 32, 25, 61, 61)),
    st.sampled_from(["Z", ".5Z", ".999999999Z", ".Z", "..Z", "+01:00", "", "z", ".1", "Z0", ".²Z", ". Z"]),
)


@given(st.one_of(NEARLY, st.text(alphabet="0123456789-T:.Z² +", max_size=24)))
@example("2024-02-29T23:59:59Z")
@example("1900-02-29T00:00:00Z")
@example("0000-01-01T00:00:00Z")
@example("2024-01-01T00:00:0 Z")
@example("")
def test_what_is_read_without_datetime_is_what_it_says(text: str) -> None:
    quick = moments._usual(text)
    assert quick is None or quick == moments._any(text)
    assert moments.seconds_of(text) == moments._any(text)


@given(st.datetimes().map(lambda moment: f"{moment:%m-%dT%H:%M:%S}Z".join((f"{moment.year:04}-", ""))))
def test_every_usual_time_is_read_without_datetime(text: str) -> None:
    assert moments._usual(text) == moments._any(text) is not None
