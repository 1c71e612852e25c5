"""Full disks, and folders that may only be read: nothing is lost, and no run ends because of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from command import PATIENCE_S
from triptych.features import FeatureStore, entry_key
from triptych.features.index import DigestIndex

POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions and limits are POSIX")


def finished(command: Sequence[object]) -> str:
    """What a command printed that ended well."""
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


READ_ONLY = """
import logging, os, sys
from pathlib import Path
from triptych.errors import ResourceError
from triptych.features import FeatureStore
from triptych.features.index import DigestIndex
from triptych.features.upkeep import in_use, prune, stats, verify

keys, opened, said = sys.argv[2:], [], []
cache = Path(sys.argv[1])
store = FeatureStore(cache / "features")
if os.geteuid() == 0:  # whom permissions do not bind
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
assert [store.get(key) for key in keys] == [{"key": keys[0]}, None, {"key": keys[2]}]
try:
    store.put(keys[1], {"key": keys[1]})
except ResourceError as err:
    assert err.remedy
    print("put: refused")
with in_use(store.root):
    found = stats(store.root)
    print("entries:", found.entries.files, "running:", found.running)
checked = verify(store.root, workers=2)
print("damaged:", len(checked.damaged), "whole:", checked.entries.files)
pruned = prune(store.root, max_bytes=0)
print("removed:", pruned.removed.files, "left:", pruned.left.files)

sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("triptych").addHandler(handler)
known, new = cache / "known.bin", cache / "new.bin"
with DigestIndex(cache / "digests.sqlite") as digests:
    for path in (known, known, new):
        digests.digest(path, status=path.stat())
print("opened:", opened.count(str(known)), opened.count(str(new)))
print("said:", sum("digests are not kept" in text for text in said))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that other users may look into, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@POSIX
def test_a_read_only_folder_is_read_and_no_more(open_folder: Path) -> None:
    """The features of others, on a disk that one may not write to."""
    cache = open_folder / "cache"
    store, keys = FeatureStore(cache / "features"), [entry_key(k, "ab" * 32, {}) for k in "abc"]
    for key in keys:
        store.put(key, {"key": key})
    store.path(keys[1]).write_bytes(b"damaged")
    for key in keys:
        os.utime(store.path(key), (1e9, 1e9))
    for name in ("known.bin", "new.bin"):
        (cache / name).write_bytes(name.encode())
    time.sleep(2.2)  # until they are old enough to be remembered
    with DigestIndex(cache / "digests.sqlite") as digests:
        digests.digest(cache / "known.bin", status=(cache / "known.bin").stat())
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in cache.rglob("*")}
    folders = [cache, *(path for path in before if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        told = finished([sys.executable, "-c", READ_ONLY, cache, *keys])
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert told.splitlines() == [
        "put: refused",
        "entries: 3 running: 0",
        "damaged: 1 whole: 2",
        "removed: 0 left: 3",
        "opened: 0 1",
        "said: 1",
    ]
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in cache.rglob("*")} == before


FULL = """
import contextlib, os, sys
from pathlib import Path
from triptych.errors import ResourceError
from triptych.features import FeatureStore, entry_key
from triptych.features.index import DigestIndex
from triptych.features.keys import file_digest
from triptych.features.upkeep import in_use, prune, stats, verify

cache, limit = Path(sys.argv[1]), int(sys.argv[2])
store, kept, refused = FeatureStore(cache / "features"), [], 0
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def note(number):  # every third does not fit under the limit
    return {"text": f"{number % 10}" * (900_000 if number % 3 else 90_000)}

for number in range(12):
    key = entry_key("note", f"{number:064d}", {})
    try:
        store.put(key, note(number))
        kept.append((key, number))
    except ResourceError as err:
        assert err.retryable and "free some space" in err.remedy, err
        refused += 1
assert kept and refused, (kept, refused)
with contextlib.suppress(OSError), (cache / "rest").open("wb", buffering=0) as rest:
    while True:
        rest.write(bytes(512))

def check():
    assert all(store.get(key) == note(number) for key, number in kept)
    found = stats(store.root)
    assert (found.entries.files, found.scratch.files) == (len(kept), 0), found
    assert verify(store.root, workers=1).damaged == ()
    return found.entries.bytes

films = list(Path(os.__file__).parent.glob("*.py"))
def digests_are_right():
    with DigestIndex(cache / "digests.sqlite") as digests:
        for film in films:
            assert digests.digest(film, status=film.stat()) == file_digest(film)

with in_use(store.root):
    held = check()
    digests_are_right()
(cache / "rest").unlink()
prune(store.root, max_bytes=held // 2)
kept = [(key, number) for key, number in kept if store.path(key).exists()]
check()
store.put(entry_key("note", "f" * 64, {}), {"there is": "room again"})
digests_are_right()
print("well")
"""


@POSIX
def test_files_that_may_not_grow_any_more(tmp_path: Path) -> None:
    assert finished([sys.executable, "-c", FULL, tmp_path, 500_000]) == "well\n"


def _may_mount() -> bool:
    try:
        return not subprocess.run(
            [*NAMESPACE, "mount -t tmpfs none /mnt"], capture_output=True, check=False
        ).returncode
    except OSError:
        return False


NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@pytest.mark.skipif(not _may_mount(), reason="this system lets nobody mount a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    run = 'mount -t tmpfs -o size=3m none "$1" && exec "$0" -c "$2" "$1" 0'
    assert finished([*NAMESPACE, run, sys.executable, tmp_path, FULL]) == "well\n"
