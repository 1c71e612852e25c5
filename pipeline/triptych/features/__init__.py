"""EMBEDDINGS ON DISK.

    store = FeatureStore()                    # $TRIPTYCH_CACHE, else the platform's cache folder
    store.put(key, track)
    store.get(key)                            # the same track, or None

The key of an entry digests the file's content, the extractor's identity and its options, so a
stale entry cannot be found and nothing ever needs clearing by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triptych.features.keys import entry_key, file_digest

if TYPE_CHECKING:
    from triptych.features.store import FeatureStore

__all__ = ["FeatureStore", "entry_key", "file_digest"]


def __getattr__(name: str) -> Any:
    if name == "FeatureStore":  # numpy loads when features are read
        from triptych.features.store import FeatureStore

        return FeatureStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
