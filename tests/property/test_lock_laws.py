"""What holds of every lock, and of every text that might be one."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from metalor_lang.build.relocking import joined
from metalor_lang.checker.platforms import ARCHITECTURES
from metalor_lang.checker.program import Platform
from metalor_lang.plan.graph import BaseInfo, ImageState
from metalor_lang.plan.lock import Lock, changes, settled_info
from metalor_lang.plan.lockfile import read_lock, write_lock
from metalor_lang.source import SourceFile
from metalor_lang.syntax.characters import decode

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.text(string.ascii_letters + string.digits + '/:.-_ ="\\é\n', min_size=1, max_size=12)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
commits = hashes | st.text("0123456789abcdef", min_size=40, max_size=40)
platforms = st.builds(
    Platform, os=st.just("linux"), arch=st.sampled_from(ARCHITECTURES), variant=st.sampled_from(("", "v7", "v8"))
)
keys = st.text(string.ascii_letters, min_size=1, max_size=5)
pairs = st.dictionaries(keys, texts, max_size=3).map(lambda found: tuple(found.items()))
words = st.lists(texts, max_size=3).map(tuple)
distinct = st.lists(texts, max_size=3, unique=True).map(tuple)
states = st.builds(
    ImageState,
    env=pairs,
    user=texts,
    workdir=texts.map(lambda text: f"/{text}"),
    entrypoint=st.none() | words,
    cmd=st.none() | words,
    labels=pairs,
    exposed=distinct,
    volumes=distinct,
    stop_signal=texts,
)
infos = st.builds(
    BaseInfo,
    digest=hashes.map(lambda digest: f"sha256:{digest}"),
    state=states,
    platform=st.none() | platforms,
    created=st.none() | st.integers(-(10**10), 10**12),
    onbuild=words,
).map(settled_info)
locks = st.builds(
    Lock,
    platforms=st.lists(platforms, unique=True, max_size=3).map(lambda found: tuple(sorted(found, key=str))),
    bases=st.dictionaries(names, st.dictionaries(platforms, infos, max_size=2), max_size=3),
    fetched=st.dictionaries(names, hashes, max_size=3),
    commits=st.dictionaries(names, st.dictionaries(names, commits, max_size=2), max_size=2),
    imports=st.dictionaries(names, hashes, max_size=2),
)


def read(text: str) -> Lock | None:
    source = SourceFile("x.lock", text)
    lock, wrong = read_lock(source, "metalor lock x")
    assert (lock is None) == (len(wrong) == 1) and len(wrong) < 2
    assert all(0 <= each.span.start <= each.span.end <= len(text) and each.help for each in wrong)
    return lock


@given(locks)
def test_what_is_written_is_read_as_it_was(lock: Lock) -> None:
    text = write_lock(lock)
    again = read(text)
    assert again == lock and text.endswith("}\n")
    assert write_lock(again) == text
    assert decode("x.lock", text.encode())[1] == ()


@given(locks, locks)
def test_locks_without_changes_are_written_alike_and_others_are_not(one: Lock, other: Lock) -> None:
    found = changes(one, other)
    alike = write_lock(Lock(platforms=one.platforms, **_facts(one))) == write_lock(
        Lock(platforms=one.platforms, **_facts(other))
    )
    assert alike == (not found)
    assert [(each.path, each.new, each.old) for each in changes(other, one)] == [
        (each.path, each.old, each.new) for each in found
    ]


@given(locks, locks)
def test_two_locks_together_have_what_both_have_and_the_new_one_counts(old: Lock, new: Lock) -> None:
    both = joined(old, new)
    changed = {change.path: change for change in changes(both, new)}
    assert all(not change.new for change in changed.values())  # what differs from the new one is the old one's alone
    assert {change.path for change in changes(both, old) if not change.new} <= {
        change.path for change in changes(old, new) if not change.old
    }
    assert all(change.new == "" or change.old for change in changes(both, old))
    assert {*both.platforms} == {*old.platforms, *new.platforms} and joined(both, new) == both


def _facts(lock: Lock) -> dict[str, object]:
    """Without names that stand for nothing: they are no facts."""
    return {
        "bases": {name: found for name, found in lock.bases.items() if found},
        "fetched": lock.fetched,
        "imports": lock.imports,
        "commits": {name: found for name, found in lock.commits.items() if found},
    }


@settings(max_examples=300)
@given(locks, st.data())
def test_a_changed_text_is_refused_at_a_place_or_read_whole(lock: Lock, data: st.DataObject) -> None:
    text = write_lock(lock)
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 30)))
    text = text[:at] + data.draw(st.text('{}[]:,"\\ \nab01', max_size=4)) + text[until:]
    found = read(text)
    if found is not None:
        assert read(write_lock(found)) == found


@given(st.text(max_size=40))
def test_any_text_gives_a_lock_or_one_error(text: str) -> None:
    read(text)
