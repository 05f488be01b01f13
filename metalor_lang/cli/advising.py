"""The last lines of a build that exported: what a LAYER would have saved.

Invariant: a build that wrote its outputs does not fail here.
"""

from collections.abc import Sequence

from metalor_lang.build.advice import Adviser
from metalor_lang.build.events import EventSink, Notice
from metalor_lang.build.model import BuildResult
from metalor_lang.build.sketch import SketchLayer, earlier
from metalor_lang.errors import MetalorError
from metalor_lang.hints import TYPE_CHECKING
from metalor_lang.oci.media import Compression
from metalor_lang.screen.text import one_line, size
from metalor_lang.store.store import Store

if TYPE_CHECKING:
    from metalor_lang.runtime.rootfs import Snapshotter


def advise(
    store: Store,
    snapshotter: "Snapshotter",
    events: EventSink,
    compression: Compression,
    results: Sequence[BuildResult],
    before: bytes,
    written: Sequence[SketchLayer],
) -> None:
    """Tell what a LAYER would have saved, if anything; arguments as of `Adviser`, `Adviser.advice` and `earlier`."""
    try:
        found = Adviser(store, snapshotter, compression).advice(results, earlier(before), written)
    except (MetalorError, OSError):
        return  # the image is written, and nobody asked
    source = results[0].plan.program.recipe.source
    for each in found:
        where = f"line {source.position(each.step.span.start).line} ({one_line(each.step.text)})"
        text = f"a LAYER above {where} would have saved {size(each.saved)}"
        events.emit(Notice(text=f"{text}: files that the last build exported too were written again"))
