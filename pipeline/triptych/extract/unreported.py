"""Libraries that report to their makers over the network are told not to.

Triptych works where there is no network, and says nothing of its videos to anybody.
"""

from __future__ import annotations

import os
import sys

__all__ = ["forbid_reports"]


def forbid_reports() -> None:
    """For this process and its children; must come before any of these libraries is imported.

    OpenVINO sends a message for each network that it converts, and ONNX Runtime (below rapidocr
    and faster-whisper) for each that it loads; both write an id of the machine into the home
    folder. What somebody has set otherwise by hand stands.
    """
    # OpenVINO has no switch but a file in the home folder; without this package it is silent.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
