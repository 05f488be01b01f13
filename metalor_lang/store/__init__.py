"""Blobs, snapshots, step records, locks: what a build remembers."""

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
