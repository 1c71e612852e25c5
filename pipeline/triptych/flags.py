"""Options of the command line, and the settings that they stand for."""

from __future__ import annotations

__all__ = ["SETTINGS"]

#: Command -> option -> section and name of the setting.
SETTINGS = {
    "run": {
        "fps": ("decode", "fps"),
        "preset": ("extract", "preset"),
        "extract": ("extract", "add"),
        "asr": ("extract", "asr"),
        "ocr": ("extract", "ocr"),
        "labels": ("predict", "labels"),
        "model": ("predict", "model"),
        "llm": ("predict", "llm"),
        "summary": ("predict", "summary"),
        "lang": ("predict", "language"),
        "format": ("report", "formats"),
        "workers": ("runner", "workers"),
        "max_failures": ("runner", "max_failures"),
        "verify": ("runner", "verify"),
        "frames_fps": ("runner", "frames_fps"),
    },
    "train": {
        "extract": ("extract", "add"),
        "asr": ("extract", "asr"),
        "ocr": ("extract", "ocr"),
        "lang": ("extract", "language"),
        "workers": ("runner", "workers"),
        "frames_fps": ("runner", "frames_fps"),
        **{
            name: ("train", name)
            for name in (
                "model_type",
                "task",
                "folds",
                "test_share",
                "seed",
                "epochs",
                "optimizer",
                "loss",
                "preset",
                "fps",
            )
        },
    },
    "evaluate": {
        "workers": ("runner", "workers"),
        "frames_fps": ("runner", "frames_fps"),
    },
    "decode": {
        "workers": ("runner", "workers"),
        "frames_fps": ("runner", "frames_fps"),
        "short_side": ("decode", "short_side"),
    },
    "reel": {"workers": ("runner", "workers"), "frames_fps": ("runner", "frames_fps")},
}
SETTINGS["watch"] = {k: v for k, v in SETTINGS["run"].items() if k != "verify"}
