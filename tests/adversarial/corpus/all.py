"""The whole corpus, in the order of the table."""

from typing import Final

from tests.adversarial.corpus import bombs, headers, links, marks, paths
from tests.adversarial.corpus.model import LayerSet

CORPUS: Final[tuple[LayerSet, ...]] = tuple(
    one
    for chapter in (
        paths.chapter,
        links.chapter,
        links.chapter_hard,
        marks.chapter,
        marks.marks,
        marks.special,
        marks.attributes,
        marks.owners,
        headers.chapter,
        headers.sparse,
        bombs.chapter,
        bombs.streams,
    )
    for one in chapter.sets
)
