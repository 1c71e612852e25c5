"""The command line's grammar: commands and their options."""

from __future__ import annotations

import argparse
from typing import Any

from triptych import __version__
from triptych.actions import Compared, Measured
from triptych.config import FORMATS, USUAL_FORMATS
from triptych.unpack.grammar import add_options

__all__ = ["parser"]

_EPILOG = """\
exit codes: 0 all done; 1 some failed or could be read only in part; 2 the command or its input
is wrong; 3 nothing succeeded; 130 interrupted, 143 ended by SIGTERM (the same command goes on
where it stopped)"""

_EPILOG_OF_RUN = f"""\
The same command again goes on where it stopped: what is finished is not touched. A video that
failed is tried again if the machine was to blame (a full disk, a file that could not be read),
if the file or the configuration changed, or with --retry-failed. A lost worker or a time limit
gets a second attempt in the same run.

{_EPILOG}"""

# As in triptych.share, which takes numpy to ask.
_LAYOUTS = ("parquet", "npz", "vsumm", "mmsa", "webdataset")

_EVALUATED = ("labels", "summary")

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


def _named(folder: str) -> str:
    """A folder; empty would be the working folder, which an unset variable hardly means."""
    if not folder:
        raise argparse.ArgumentTypeError("the name is empty")
    return folder


def _allowed(failures: str) -> str:
    """How many failures; empty is what an unset variable gives, and would be no limit at all."""
    if not failures.strip():
        raise argparse.ArgumentTypeError("it is empty: give a number or a share, or leave it out")
    return failures


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="triptych",
        description="Folders of video into labels, summaries and a timeline. Offline, on a CPU.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"triptych {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_watch(commands)
    _add_decode(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_reel(commands)
    _add_cache(commands)
    what = "say what this machine has, and what to install for the rest"
    doctor = commands.add_parser("doctor", help=what, description=what)
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    _add_models(commands)
    return top


def _add_models(commands: Any) -> None:
    what = "list extractors, models and presets: licence, size, whether present; or fetch models"
    models = commands.add_parser("models", help=what, description=what)
    models.add_argument("--json", action="store_true", help="print one JSON object")
    actions = models.add_subparsers(dest="action", metavar="ACTION")
    told = "download models for later runs, which never download; nothing else uses the network"
    fetch = actions.add_parser("fetch", help=told, description=told)
    fetch.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="its id on the hub (openai/clip-vit-base-patch32), or as after --extract "
        "(torchvision=resnet50)",
    )
    # Its own default would undo a --json before the word fetch.
    fetch.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object"
    )


def _add_run(commands: Any) -> None:
    what = "analyse files, folders, globs and manifests"
    run = _command(commands, "run", what=what, epilog=_EPILOG_OF_RUN)
    _add_inputs(run, metavar="INPUT", also="and optionally label, start, end, split, group, fps")
    _add_answers(run)
    run.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and how long it would take"
    )
    run.add_argument(
        "--retry-failed", action="store_true", help="also what failed, or could be read in part"
    )
    run.add_argument(
        "--overwrite", action="store_true", help="also what is finished; features are kept"
    )
    run.add_argument(
        "--verify",
        action="store_true",
        default=None,
        help="read all files again, also those that look as they did",
    )
    _add_common(run)


def _add_watch(commands: Any) -> None:
    what = "work through a folder, then through what arrives in it, until SIGTERM or Ctrl-C"
    watch = _command(commands, "watch", what=what)
    watch.add_argument("folder", metavar="FOLDER", help="the folders in it included")
    _add_answers(watch)
    watch.add_argument(
        "--once",
        action="store_true",
        help="end when all that is complete is done; what still grows is left for another time",
    )
    watch.add_argument("--poll", type=float, metavar="S", help="seconds between two looks (5)")
    watch.add_argument(
        "--settle",
        type=float,
        metavar="S",
        help="a file is complete when it was left alone for so many seconds (5)",
    )
    _add_common(watch)


def _add_answers(run: argparse.ArgumentParser) -> None:
    """What `run` and `watch` have in common."""
    run.add_argument(
        "-o", "--out", type=_named, required=True, metavar="OUT", help="folder for the results"
    )
    run.add_argument(
        "--labels",
        metavar="LABELS",
        help='what to look for: "cat,dog", a file with one label a line, or a built-in list '
        "(everyday)",
    )
    run.add_argument(
        "--model", metavar="MODEL", help="folder of a trained model, whose labels are used instead"
    )
    run.add_argument(
        "--preset",
        help="set of extractors: embedded, full (also motion), light, clip, best, or a .toml file (embedded)",
    )
    _add_extract(run)
    run.add_argument("--fps", type=float, help="sampled frames a second (1)")
    run.add_argument(
        "--summary",
        metavar="LENGTH",
        help='length of the summary: "15%%" (at least 3 s), "30s" or "8shots"',
    )
    run.add_argument(
        "--llm",
        metavar="PATH|ID",
        help="local language model that rewrites the summary, a source for each sentence (none)",
    )
    run.add_argument(
        "--asr",
        choices=("auto", "always", "never"),
        help="recognise speech: auto where a video has no subtitles (auto)",
    )
    _add_ocr(run)
    run.add_argument("--lang", metavar="CODE", help="language of labels and texts: en or zh (auto)")
    run.add_argument(
        "--format",
        metavar="LIST",
        help=f"files for each video besides analysis.json ({','.join(USUAL_FORMATS)}); there are "
        f"also {', '.join(FORMATS[len(USUAL_FORMATS) :])}",
    )
    run.add_argument(
        "--max-failures",
        type=_allowed,
        metavar="N|P%",
        help="stop when more videos failed: a number, or a share of at least 20 (no limit)",
    )
    run.add_argument(
        "--metrics", metavar="FILE", help="figures for Prometheus, kept up to date in a .prom file"
    )


def _add_extract(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--extract",
        action="extend",
        type=_items,
        metavar="NAME[=MODEL]",
        help="an extractor besides: motion, or with a model of yours, such as clip=/models/clip or "
        "clip=openai/clip-vit-base-patch32; `triptych models` lists them; may be repeated",
    )


def _items(listed: str) -> list[str]:
    return [item.strip() for item in listed.split(",") if item.strip()]


def _add_ocr(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--ocr",
        choices=("never", "strip", "full"),
        help="read burned-in captions where a video has no subtitles: in the lower third of the "
        "picture, or in all of it; speech is then recognised only where there are none (never)",
    )


def _add_decode(commands: Any) -> None:
    what = "write frames, spectrogram, sound and words as plain files, without any model"
    decode = _command(commands, "decode", what=what)
    _add_inputs(decode, metavar="FILE", also="and optionally start, end")
    decode.add_argument(
        "-o",
        "--out",
        type=_named,
        metavar="DIR",
        help="folder for the files; of several films each gets a folder in it",
    )
    add_options(decode)
    _add_common(decode)


def _add_train(commands: Any) -> None:
    train = _command(commands, "train", what="learn labels from videos that have them")
    _add_inputs(
        train,
        metavar="DATASET",
        also="and label (several with | between them), optionally start, end, split, group; "
        "in folders, the folder's name is the label; for --task importance annotations of "
        "moments (.csv, .json, .jsonl, .h5) beside the videos, or a manifest with path and "
        "importance",
    )
    train.add_argument(
        "-o", "--out", type=_named, required=True, metavar="MODEL", help="folder for the model"
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
    _add_extract(train)
    train.add_argument("--fps", type=float, help="sampled frames a second (by the clips' length)")
    train.add_argument(
        "--asr",
        choices=("auto", "always", "never"),
        help="recognise speech: auto where a video has no subtitles (auto)",
    )
    _add_ocr(train)
    train.add_argument(
        "--lang", metavar="CODE", help="language of the speech, and of the subtitles to prefer"
    )
    _add_common(train)


def _add_evaluate(commands: Any) -> None:
    evaluate = _command(
        commands, "evaluate", what="measure a model, or summaries, on videos of which more is known"
    )
    evaluate.add_argument(
        "model", metavar="MODEL", help="folder of a trained model; may be left out for summaries"
    )
    _add_inputs(
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
    _add_common(evaluate)


def _add_reel(commands: Any) -> None:
    what = "one reel of a folder: the best moments of its videos, their titles as chapters"
    reel = _command(commands, "reel", what=what)
    reel.add_argument(
        "folder", metavar="OUT|FOLDER", help="results of `triptych run`; or videos, analysed first"
    )
    reel.add_argument(
        "-o", "--out", type=_named, required=True, metavar="REEL", help="the MP4 file to write"
    )
    reel.add_argument(
        "--length",
        default="60s",
        metavar="LENGTH",
        help='at most: "60s", or a share of all videos such as "5%%" (60s)',
    )
    _add_common(reel)


def _add_cache(commands: Any) -> None:
    what = "say what the feature store holds, check it, shrink it, or write it for other tools"
    actions = commands.add_parser("cache", help=what, description=what).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    for name, told in (
        ("stats", "say what it holds"),
        ("verify", "read all of it; what is damaged is moved aside, and made again when needed"),
        ("prune", "remove what was used longest ago; never what a run that is at work needs"),
        ("export", "write the features of a finished run in the layout of another tool"),
    ):
        action = actions.add_parser(name, help=told, description=told)
        if name == "prune":
            action.add_argument(
                "--max-size",
                required=True,
                metavar="SIZE",
                help="of what is left, for example 20GB; 0: nothing is left",
            )
        if name == "export":
            action.add_argument("out", metavar="OUT", help="folder of results of `triptych run`")
            action.add_argument("target", metavar="TARGET", help="a new or empty folder")
            action.add_argument("--layout", required=True, choices=_LAYOUTS)
            action.add_argument(
                "--tracks", metavar="LIST", help="such as image,audio (those the layout is for)"
            )
        action.add_argument("--json", action="store_true", help="print one JSON object")


def _command(
    commands: Any, name: str, *, what: str, epilog: str = _EPILOG
) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=what,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return added


def _add_inputs(command: argparse.ArgumentParser, *, metavar: str, also: str) -> None:
    command.add_argument(
        "inputs",
        nargs="+",
        action="extend",
        metavar=metavar,
        help="files, folders (recursive), globs, or a manifest (.csv, .jsonl) with a column path "
        + also,
    )


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--frames-fps",
        type=float,
        metavar="N",
        help="folders of numbered pictures are films, with so many pictures a second",
    )
    command.add_argument("--workers", type=int, metavar="N", help="processes (one a core)")
    command.add_argument("--config", metavar="FILE", help="configuration in TOML")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="one setting, for example decode.short_side=384; may be repeated",
    )
    command.add_argument("--quiet", action="store_true", help="print nothing but errors")
    command.add_argument("--json", action="store_true", help="print the totals as one JSON object")
    command.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="of what is said (text)"
    )
    command.add_argument("--log-file", metavar="FILE", help="add events to a file, in JSON lines")
    command.add_argument("--verbose", action="store_true", help="log what happens inside")
