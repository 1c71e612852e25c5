"""FIGURES -> PLAIN WORDS: what a model can do, and what the figures say against it.

The limits are derived, so that a card has them even when nobody sits down to write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triptych.amounts import counted
from triptych.report.findings import (
    EVIDENCE,
    Metrics,
    Split,
    ablation,
    called,
    common_label,
    head,
    is_share,
    label_rows,
    labels_of,
    lower_is_better,
    number,
    part,
    quoted,
    shown,
    splits,
    title_of,
)
from triptych.report.text import one_line

__all__ = ["facts", "lede", "limits"]

_FEW_VIDEOS, _FEW_OF_A_LABEL, _FEW_SOURCES = 200, 20, 30
_WIDE = 0.1  # an interval, a gap or a calibration error that is worth a sentence
_LOW_RECALL, _LEANS, _IDLE = 0.5, 0.05, 0.005
_NAMED, _MISSED = 5, 3  # labels in one sentence; missed ones, each with a sentence of its own


def lede(metrics: Metrics) -> str:
    """The model in two sentences, with its most telling figure."""
    task, count = metrics.get("task"), len(labels_of(metrics)) or "its"
    does = {
        "multi": f"Gives a video any of {count} labels.",
        "regression": "Estimates one number for a video.",
        "importance": "Says how important each moment of a video is.",
    }.get(str(task), f"Tells {count} labels apart.")
    best = head(metrics)
    if best is None or best.main is None:
        return f"{does} Nothing was measured."
    main, on = best.main, counted(best.videos, f"{best.name} video")
    value = shown(main.key, main.value)
    between = f" (95% interval {main.interval})" if main.interval else ""
    if main.key == "accuracy" and task != "multi":
        return f"{does} Right for {value} of {on}{between}."
    if main.key == "mae":
        return f"{does} Off by {value} on average on {on}{between}."
    title = title_of(main.key)
    return f"{does} {title[:1].upper()}{title[1:]} {value} on {on}{between}."


def facts(metrics: Metrics) -> list[str]:
    """Short facts for the line below the title."""
    model, training = part(metrics, "model"), part(metrics, "training")
    found = [one_line(str(model.get("type") or ""))]
    members, parameters = number(model.get("members")), number(model.get("parameters"))
    if members and members > 1:
        found.append(f"{members:.0f} members")
    if parameters:
        found.append(f"{parameters:,.0f} parameters")
    for name, count in part(metrics, "data", "splits").items():
        found.append(counted(number(count) or 0, f"{called(str(name))} video"))
    if seconds := number(training.get("seconds")):
        took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        found.append(f"trained in {took}")
    return [fact for fact in found if fact]


def limits(metrics: Metrics) -> list[str]:
    """What the figures say against the model, a plain sentence or two each."""
    best = head(metrics)
    found = [_scope(metrics), *_measured(metrics, best)]
    if best is not None:
        found += _missed(metrics, best)
    return [*found, *_data(metrics), *_evidence(metrics), *_confidence(metrics)]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _scope(metrics: Metrics) -> str:
    count, task = len(labels_of(metrics)) or "its", metrics.get("task")
    if task == "importance":
        return (
            "It ranks the moments of one video; how important one video is beside another it does"
            " not know. People disagree about what matters, and it learned from a few of them."
        )
    if task == "regression":
        return "It gives a number for any video and does not say how sure it is."
    if task == "multi":
        return f"It knows {count} labels and no others; a video may get none of them."
    return f"It knows {count} labels and no others: a video of anything else gets one all the same."


def _measured(metrics: Metrics, best: Split | None) -> Iterator[str]:
    if best is None or best.main is None or best.main.value is None:
        yield "Nothing was measured: nobody knows how good it is."
        return
    main, value, title = best.main, best.main.value, title_of(best.main.key)
    if best.name != "test":
        yield (
            f"No videos were kept for a test. The figures are of the {best.name} videos, which"
            " also helped to make the model; new videos will probably fare worse."
        )
    unit = 1.0 if is_share(main.key) else abs(value)
    if main.low is not None and main.high is not None and main.high - main.low > _WIDE * unit:
        yield (
            f"Measured on {counted(best.videos, 'video')}, its {title} is known roughly:"
            f" anything from {main.interval} is plausible."
        )
    guess = (
        common_label(best) if main.key == "accuracy" and metrics.get("task") != "multi" else None
    )
    if guess and (value if main.low is None else main.low) <= guess[1]:
        yield (
            f"It is not clearly better than always saying {quoted(guess[0])}, which would be right"
            f" for {shown(main.key, guess[1])} of the {best.name} videos."
        )
    earlier = {split.name: split.measures.get(main.key) for split in splits(metrics)}
    valid = earlier.get("validation") if best.name == "test" else None
    if valid and valid.value is not None and is_share(main.key) and valid.value - value > _WIDE:
        yield (
            f"It does {(valid.value - value) * 100:.0f} points worse on the test than on the"
            " validation videos that chose it."
        )


def _missed(metrics: Metrics, best: Split) -> Iterator[str]:
    rows = [row for row in label_rows(metrics) if row["support"] is not None]
    if unseen := [quoted(row["label"]) for row in rows if not row["support"]]:
        yield f"No {best.name} video shows how well it finds {_some(unseen)}."
    missed = [row for row in rows if row["support"] and (row["recall"] or 0.0) < _LOW_RECALL]
    # Worst is the label that costs most videos, not a rare one that was missed once.
    missed.sort(key=lambda row: (row["recall"] or 0.0) * row["support"] - row["support"])
    for row in missed[:_MISSED]:
        found = (row["recall"] or 0.0) * row["support"]
        videos = counted(row["support"], f"{best.name} video")
        yield (
            f"{quoted(row['label'])} is found in {found:.0f} of {videos}"
            f"{_taken_for(metrics, best, row['label'])}."
        )
    if len(missed) > _MISSED:
        more = counted(len(missed) - _MISSED, "more label is", "more labels are")
        yield f"{more} missed more often than found."


def _taken_for(metrics: Metrics, best: Split, label: str) -> str:
    labels, matrix = labels_of(metrics), best.result.get("confusion") or []
    at = labels.index(label)
    row = matrix[at] if len(matrix) == len(labels) else []
    counts = [(count, -i) for i, count in enumerate(row) if i != at and count > 0]
    if not counts:
        return ""
    count, back = max(counts)
    return f"; most often it is taken for {quoted(labels[-back])} ({count:.0f})"


def _data(metrics: Metrics) -> Iterator[str]:
    data = part(metrics, "data")
    train, groups, used, failed, videos = (
        number(part(data, "splits").get("train")),
        *(number(data.get(key)) for key in ("groups", "used", "failed", "videos")),
    )
    if train is not None and train < _FEW_VIDEOS:
        yield f"It learned from {counted(train, 'video')} only."
    counts = [(row["counts"].get("train", 0), row["label"]) for row in label_rows(metrics)]
    if train and (rare := sorted(pair for pair in counts if pair[0] < _FEW_OF_A_LABEL)):
        yield f"Few videos to learn from: {_some([f'{quoted(b)} ({a})' for a, b in rare])}."
    if groups and used and groups < min(used, _FEW_SOURCES):
        yield (
            f"Its {used:.0f} videos come from {counted(groups, 'source')} only; videos of a new source"
            " may look and sound different."
        )
    if failed:
        of = f"{failed:.0f} of {counted(videos, 'video')}" if videos else counted(failed, "video")
        yield f"{of} could not be used for any figure."


def _evidence(metrics: Metrics) -> Iterator[str]:
    found = ablation(metrics)
    if found is None or found["all"] is None or len(found["rows"]) < 2:
        return
    key, whole = found["metric"], found["all"]
    unit = (1.0 if is_share(key) else abs(whole) or 1.0) * (-1 if lower_is_better(key) else 1)
    losses = [
        ((whole - without) / unit, EVIDENCE.get(name, one_line(name)), without)
        for name, without, _ in found["rows"]
        if without is not None
    ]
    loss, name, without = max(losses, default=(0.0, "", 0.0))
    figures = f"its {title_of(key)} is {shown(key, whole)} with all, but {shown(key, without)}"
    judged = next((s for s in splits(metrics) if s.name == called(found["split"])), head(metrics))
    if loss >= _LEANS and _leaves(judged, key, without):
        yield (
            f"It leans on {name} most: {figures} without {name}."
            f" Videos with poor or no {name} will fare worse."
        )
    elif loss >= _LEANS:
        yield (
            f"What it leans on most is not known: {figures} without {name},"
            f" which {counted(judged.videos, 'video') if judged else 'so few videos'} cannot tell"
            " from chance."
        )
    if idle := [name for loss, name, _ in losses if loss < _IDLE]:
        yield f"It gains nothing measurable from {' and '.join(idle)}."


def _leaves(judged: Split | None, key: str, value: float) -> bool:
    """Whether a figure without some evidence is outside the interval of that with all of it."""
    whole = judged.measures.get(key) if judged else None
    if whole is None or whole.low is None or whole.high is None:
        return False
    return not whole.low <= value <= whole.high


def _confidence(metrics: Metrics) -> Iterator[str]:
    before, off = (
        number(part(metrics, "calibration").get(key)) for key in ("ece_before", "ece_after")
    )
    if metrics.get("task") in ("regression", "importance"):
        return
    if off is None:
        yield "Whether its confidence can be trusted was not checked."
        return
    if before is not None and off - before > _IDLE:
        yield (
            "Calibration made its confidence worse on the validation videos: off by"
            f" {shown('ece', before)} before, by {shown('ece', off)} after."
        )
    if off > _WIDE:
        yield (
            f"Its confidence is off by {off * 100:.0f} points on average: what it calls 90% sure"
            " need not be right nine times in ten."
        )
