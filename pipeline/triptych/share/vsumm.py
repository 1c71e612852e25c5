"""`vsumm`: the h5 layout of research on video summaries.

pytorch-vsumm-reinforce (github.com/KaiyangZhou/pytorch-vsumm-reinforce) made it, VASNet
(github.com/ok1zjf/VASNet) and PGL-SUM (github.com/e-apostolidis/PGL-SUM, whose README lists the
names) read it. What people thought of a video (`gtscore`, `gtsummary`, `user_summary`) is not
known here, so it is not written: add it before training with supervision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.errors import UsageError
from triptych.share.collect import Video
from triptych.share.layout import Layout, published

__all__ = ["Vsumm"]

Frames = npt.NDArray[np.int64]


class Vsumm(Layout):
    """`features.h5`: a group KEY a video, with the datasets of `_datasets`."""

    package = "h5py"

    def tracks(self, asked: Sequence[str] | None) -> Sequence[str]:
        """One track; what is seen, unless another is asked for.

        Raises:
            UsageError: several are asked for.
        """
        if asked is not None and len(asked) != 1:
            raise UsageError(
                "the layout vsumm holds one track", remedy="choose one, such as image or motion"
            )
        return asked or ("image",)

    def unfit(self, video: Video) -> str:
        """Positions are counted in frames, so there must be some."""
        (track,) = video.tracks.values()
        if not video.analysis["source"]["media"].get("fps"):
            return "its frame rate is not known, and this layout counts frames"
        return "" if len(track) else f"no rows of {track.spec.name} in it"

    def write(self, videos: Iterable[Video], target: Path) -> Iterator[Path]:
        """One file."""
        h5py: Any = import_module("h5py")
        path = target / "features.h5"
        with published(path) as scratch, h5py.File(scratch, "w") as file:
            for video in videos:
                group = file.create_group(video.key)
                for name, value in _datasets(video).items():
                    group[name] = value
        yield path


def _datasets(video: Video) -> dict[str, Any]:
    """Name -> value, as a reader of the layout expects them."""
    source = video.analysis["source"]
    (track,) = video.tracks.values()
    fps = float(source["media"]["fps"])
    origin_s = float(video.analysis["timeline"]["start_s"][0])
    n_frames = max(1, round(source["duration_s"] * fps))

    def frames(times: Sequence[float] | npt.NDArray[np.float64]) -> Frames:
        return np.rint((np.asarray(times, np.float64) - origin_s) * fps).astype(np.int64)

    picks = np.clip(frames(track.start_s), 0, n_frames - 1)
    cuts = frames([shot["start_s"] for shot in video.analysis["shots"]])
    inner = np.unique(cuts[(cuts > 0) & (cuts < n_frames)])
    edges = np.concatenate([[0], inner, [n_frames]]).astype(np.int64)
    return {
        "features": track.values,
        "n_frames": n_frames,
        "n_steps": len(track),
        "picks": picks,
        "change_points": np.stack([edges[:-1], edges[1:] - 1], axis=1),
        "n_frame_per_seg": np.diff(edges),
        "fps": fps,
        "video_name": video.name,
    }
