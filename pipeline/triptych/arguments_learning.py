"""Commands that learn, and that measure what was learned: train, evaluate."""

from __future__ import annotations

from typing import Any

from triptych.actions import Compared, Measured
from triptych.arguments_common import add_common, add_extract, add_inputs, add_words, command, named

__all__ = ["add_evaluate", "add_train"]

# As in triptych_models.baselines, which takes torch to ask.
_MODEL_TYPES = (
    "fusion",
    "gated",
    "attention",
    "lstm",
    "linear",
    "only-image",
    "only-motion",
    "only-audio",
    "only-text",
    "late-concat-lstm",
    "late-concat-cnn",
    "bag-of-words",
    "tfidf",
)

_EVALUATED = ("labels", "summary")


def add_train(commands: Any) -> None:
    """`triptych train`."""
    train = command(commands, "train", what="learn labels from videos that have them")
    add_inputs(
        train,
        metavar="DATASET",
        also="and label (several with | between them), optionally start, end, split, group; "
        "in folders, the folder's name is the label; for --task importance annotations of "
        "moments (.csv, .json, .jsonl, .h5) beside the videos, or a manifest with path and "
        "importance",
    )
    train.add_argument(
        "-o", "--out", type=named, required=True, metavar="MODEL", help="folder for the model"
    )
    train.add_argument(
        "--model-type", metavar="NAME", help=f"{', '.join(_MODEL_TYPES)} ({_MODEL_TYPES[0]})"
    )
    train.add_argument(
        "--task",
        choices=("auto", "single", "multi", "regression", "importance", "features"),
        help="one label a video, several, a number, or how important its moments are (auto); "
        "features: no labels, but an extractor for --extract autoencoder=MODEL",
    )
    train.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="parts of the cross-validation, 1: none (5; from 500 videos on 4)",
    )
    train.add_argument(
        "--test-share",
        type=float,
        metavar="SHARE",
        help="held out to test on where the data names no test videos, 0: none (0.2)",
    )
    train.add_argument("--seed", type=int, help="the same gives the same model (0)")
    train.add_argument("--epochs", type=int, metavar="N", help="at most (by the model type)")
    train.add_argument("--optimizer", choices=("adamw", "sgd"), help="(adamw)")
    train.add_argument(
        "--loss", choices=("auto", "cross_entropy", "bce", "mse"), help="by the task (auto)"
    )
    train.add_argument(
        "--preset",
        help="set of extractors: full (needs OpenCV), embedded, light, clip, best, or a .toml file (full)",
    )
    add_extract(train)
    train.add_argument("--fps", type=float, help="sampled frames a second (by the clips' length)")
    add_words(train)
    train.add_argument(
        "--lang", metavar="CODE", help="language of the speech, and of the subtitles to prefer"
    )
    add_common(train)


def add_evaluate(commands: Any) -> None:
    """`triptych evaluate`."""
    evaluate = command(
        commands, "evaluate", what="measure a model, or summaries, on videos of which more is known"
    )
    evaluate.add_argument(
        "model", metavar="MODEL", help="folder of a trained model; may be left out for summaries"
    )
    add_inputs(
        evaluate,
        metavar="DATASET",
        also="and label; of videos with splits, those of the test split are used. For summaries "
        "annotations as of train --task importance",
    )
    evaluate.add_argument(
        "--task",
        choices=_EVALUATED,
        action=Measured,
        help="what is measured: labels, or summaries against people's (by the model)",
    )
    evaluate.add_argument(
        "--compare",
        nargs="+",
        action=Compared,
        default=[],
        metavar="MODEL2",
        help="other models to measure on the same videos; DATASET may follow them",
    )
    add_common(evaluate)
