"""Blobs, snapshots, step records, locks: what a build remembers.

The names are loaded on first use: looking a record up needs neither the collector nor the verifier.
"""

from importlib import import_module

from metalor_lang.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from metalor_lang.store.errors import (
        DamagedBlob,
        DigestMismatch,
        MissingObject,
        StoreError,
        StoreFull,
        StoreUnwritable,
        WrongVersion,
    )
    from metalor_lang.store.gc import GcReport, KeepPolicy
    from metalor_lang.store.leases import Lease
    from metalor_lang.store.records import LayerRecord, StepRecord
    from metalor_lang.store.snapshots import Draft, SnapshotInfo
    from metalor_lang.store.store import Store, default_path
    from metalor_lang.store.usage import StoreUsage
    from metalor_lang.store.verify import VerifyReport

__all__ = [
    "DamagedBlob",
    "DigestMismatch",
    "Draft",
    "GcReport",
    "KeepPolicy",
    "LayerRecord",
    "Lease",
    "MissingObject",
    "SnapshotInfo",
    "StepRecord",
    "Store",
    "StoreError",
    "StoreFull",
    "StoreUnwritable",
    "StoreUsage",
    "VerifyReport",
    "WrongVersion",
    "default_path",
]

_MODULES: Final = {
    "gc": ("GcReport", "KeepPolicy"),
    "leases": ("Lease",),
    "records": ("LayerRecord", "StepRecord"),
    "snapshots": ("Draft", "SnapshotInfo"),
    "store": ("Store", "default_path"),
    "usage": ("StoreUsage",),
    "verify": ("VerifyReport",),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((module for module, names in _MODULES.items() if name in names), "errors")
    return getattr(import_module(f"{__name__}.{module}"), name)
