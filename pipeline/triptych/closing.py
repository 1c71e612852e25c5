"""What a command prints when it is done."""

from __future__ import annotations

from collections import Counter
from typing import Any, TextIO

from triptych.amounts import counted, sized
from triptych.console import NO_LABELS, Row, describe, labels_or_why, shown

__all__ = [
    "print_agreement",
    "print_closing",
    "print_decode_plan",
    "print_evaluation",
    "print_plan",
    "print_training",
    "print_unpacked",
]

_MOST_ROWS, _MOST_MISTAKES = 40, 5
_APART = "  "  # between a figure and its interval; a line's end where the terminal is narrow
_ENDLESS = 10_000
_FEW = 6  # of five films all may differ in one direction by chance, one time in sixteen


def print_closing(totals: dict[str, Any], out: str, stream: TextIO) -> None:
    """The closing table, what failed, and where the results are."""
    rows = totals["rows"]
    listed = [r for r in rows if r["state"] != "skipped"]
    if stream.isatty():
        _table(listed, stream)
    counts = {k: v for k, v in totals["states"].items() if v}
    if left := totals["waiting"]:
        counts["not reached"] = left
    said = ", ".join(f"{n} {state}" for state, n in counts.items())
    lines = [f"{counted(totals['videos'], 'input')}: {said}, in {totals['seconds']:.2f} s"]
    if counts.keys() == {"skipped"}:
        lines.append("no video: none of these files is a video or sound file")
    if once := totals.get("preparation_seconds"):
        lines.append(
            f"before that, the models were prepared for this machine, once, in {once:.1f} s"
        )
    if totals["speed"]:
        lines.append(
            f"speed: {totals['media_seconds']:.1f} s of video, {totals['speed']:.1f} times as fast "
            "as real time"
        )
    if counts.keys() & {"done", "cached", "partial"} and not totals["videos_decoded"]:
        what = "features" if counts.get("done") else "answers"
        lines.append(f"nothing was decoded: the {what} were there already")
    told = Counter(w for r in rows for w in r.get("warnings", ()) if w.startswith(NO_LABELS))
    lines += [f"{warning} ({counted(count, 'video')})" for warning, count in told.items()]
    lines += [f"failed: {f['path']}: {f['stage']}: {f['error']}" for f in totals["failures"]]
    if before := sum(r["state"] == "failed" and not r.get("fresh") for r in rows):
        lines.append(f"failed before, and not tried again: {before} (--retry-failed tries them)")
    if left:
        lines.append("the same command goes on with those that were not reached")
    if listed:
        lines.append(f"open {out}/index.html")
    for line in lines:
        print(shown(line), file=stream)


def _table(rows: list[Row], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("video", "state", "length", "labels"):
        table.add_column(name, overflow="fold")
    for row in rows[:50]:
        labels = row["error"] or labels_or_why(row)
        length = f"{row['duration_s']:.1f} s" if "duration_s" in row else ""
        style = {"failed": "red", "partial": "yellow"}.get(row["state"], "")
        cells = (row["relative"], row["state"], length, labels)
        table.add_row(*(Text(shown(cell)) for cell in cells), style=style)
    if len(rows) > 50:
        table.add_row(Text(f"and {len(rows) - 50} more in predictions.csv"), "", "", "")
    Console(file=stream).print(table)


def print_plan(planned: dict[str, Any], stream: TextIO) -> None:
    """What a run would do, video by video, and what that would take."""
    words = {
        "decode": "to decode",
        "report": "to report again, without decoding",
        "finished": "finished already",
        "skipped": "no video or sound file",
        "failed": "failed",
    }
    counts = planned["counts"]
    said = ", ".join(f"{counts[plan]} {what}" for plan, what in words.items() if counts[plan])
    lines = [f"{counted(planned['videos'], 'input')}: {said}"]
    for plan in ("decode", "report", "skipped", "failed"):
        rows = [r for r in planned["rows"] if r["plan"] == plan]
        for row in rows[:_MOST_ROWS]:
            why = f": {row['stage']}: {row['error']}" if row["error"] else ""
            lines.append(f"{plan}: {row['path']}{why}")
        if len(rows) > _MOST_ROWS:
            lines.append(f"{plan}: and {len(rows) - _MOST_ROWS} more (--json)")
    if counts["decode"] + counts["report"]:
        lines.append(_estimated(planned["estimate"]))
    for line in (*lines, "nothing was done: this is the plan"):
        print(shown(line), file=stream)


def _estimated(estimate: dict[str, Any]) -> str:
    seconds, size = estimate["seconds"], estimate["bytes"]
    time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    basis = {
        "these results": "the videos done here before",
        "this machine": "earlier runs on this machine",
        "another machine": "another machine; nothing was done like this on yours yet",
    }[estimate["judged_by"]]
    return f"about {time} and {sized(size)} of results, judging by {basis}"


def print_unpacked(totals: dict[str, Any], stream: TextIO) -> None:
    """How films became files, what failed, and where they are."""
    said = ", ".join(f"{n} {state}" for state, n in totals["states"].items() if n)
    seconds = f"{totals['media_seconds']:.1f} s of film in {totals['seconds']:.2f} s"
    lines = [f"{counted(totals['videos'], 'input')}: {said}, {seconds}"]
    for row in totals["rows"]:
        lines += [f"warning: {row['path']}: {warning}" for warning in row.get("warnings", ())]
    lines += [f"failed: {f['path']}: {f['stage']}: {f['error']}" for f in totals["failures"]]
    if any(totals["states"][state] for state in ("done", "partial")):
        lines.append(f"see {totals['out']}")
    for line in lines:
        print(shown(line), file=stream)


def print_decode_plan(planned: dict[str, Any], stream: TextIO) -> None:
    """What would be decoded of each film, and why the rest would not."""
    for row in planned["rows"]:
        lines = [row["path"], *row["lines"]] if row["state"] == "done" else [describe(row)]
        for line in lines:
            print(shown(line), file=stream)
    print("nothing was decoded: this is the plan", file=stream)


def print_training(result: dict[str, Any], stream: TextIO) -> None:
    """What was learned, how well, and where it is."""
    if result["task"] == "features":
        _print_features(result, stream)
        return
    splits = result["metrics"]["splits"]
    columns = [
        (f"{name}, {counted(found['videos'], 'video')}", found) for name, found in splits.items()
    ]
    _figures(columns, stream)
    counts = result["metrics"]["data"]["by_label"]
    if said := [f"{name} {sum(parts.values())}" for name, parts in counts.items()]:
        more = f" and {len(said) - _MOST_ROWS} more" if len(said) > _MOST_ROWS else ""
        print(shown(f"labels: {', '.join(said[:_MOST_ROWS])}{more}"), file=stream)
    _outcome(result, stream)
    print(shown(f"open {result['model']}/report.html"), file=stream)


def _print_features(result: dict[str, Any], stream: TextIO) -> None:
    """How well pictures are drawn again, and how the extractor is selected."""
    learned = result["learned"]
    held_out = counted(learned["held_out"], "picture")
    print(
        f"error of {held_out} held out: {learned['error']:.4f}, of the mean picture in their "
        f"place: {learned['error_of_mean']:.4f}",
        file=stream,
    )
    print(shown(f"use it with --extract autoencoder={result['model']}"), file=stream)


def print_evaluation(result: dict[str, Any], stream: TextIO) -> None:
    """How well a model did, label by label, and beside others: on videos new to it, if any."""
    which = " of the test split" if result["split"] == "test" else ""
    part = "unseen" if result["unseen"] else "seen"
    print(shown(f"{result['name']} on {_measured_on(result, part, which)}"), file=stream)
    if result["used"]:
        models = (result, *result["compare"])
        _figures([(m["name"], m[part]) for m in models], stream)
        _by_label(result[part], stream)
        for line in _mistakes(result["labels"], result[part]):
            print(shown(line), file=stream)
        for other in result["compare"]:
            if found := other.get("difference"):
                print(shown(_difference(result["name"], other["name"], found)), file=stream)
        if part == "unseen" and result["seen"]:
            told = f"not to be counted on: {_measured_on(result, 'seen', which)}"
            print(shown(told), file=stream)
            _figures([(m["name"], m["seen"]) for m in models], stream)
    _outcome(result, stream)


def print_agreement(result: dict[str, Any], stream: TextIO) -> None:
    """How far summaries agree with people's, beside others of the same length."""
    which = " of the test split" if result["split"] == "test" else ""
    on = counted(result["measured"], "video")
    print(shown(f"summaries ({result['name']}) on {on}{which} that people judged"), file=stream)
    if result["measured"]:
        columns = [(one["name"], one) for one in (result, *result["compare"])]
        columns += list(result["baselines"].items())
        columns.append(("people", {"metrics": result["people"], "intervals": {}}))
        _figures(columns, stream)
        for one in (result, *result["compare"]):
            for rival, measured in one["difference"].items():
                for name in ("kendall", "f_score"):
                    if (found := measured.get(name, {})).get("difference") is not None:
                        told = _apart(name, one["name"], rival, found, on=result["measured"])
                        print(shown(told), file=stream)
    _outcome(result, stream)


def _measured_on(result: dict[str, Any], part: str, which: str) -> str:
    """How many videos figures are of, and whether a model knew them."""
    if not (result["used"] and result["seen"]):
        return f"{counted(result['used'], 'video')}{which}"
    who = "a model here" if result["compare"] else "it"
    known = f"{who} was trained on"
    if part == "unseen":
        known = "no model here was trained on" if result["compare"] else "it was not trained on"
    every = "" if result["unseen"] else ", all of them videos"
    return f"{counted(result[part]['videos'], 'video')}{which}{every} that {known}"


def _outcome(result: dict[str, Any], stream: TextIO) -> None:
    """What was left out, and why."""
    lines = [f"warning: {warning}" for warning in result["warnings"]]
    lines += [f"failed: {f['path']}: {f['stage']}: {f['error']}" for f in result["failures"]]
    used, videos = result["used"], result["videos"]
    lines.append(f"{used} of {counted(videos, 'video')} used, in {result['seconds']:.1f} s")
    for line in lines:
        print(shown(line), file=stream)


def _figures(columns: list[tuple[str, dict[str, Any]]], stream: TextIO) -> None:
    """Metrics as rows, models as columns, each with its interval."""
    names = dict.fromkeys(metric for _, found in columns for metric in found["metrics"])
    rows = [
        [name, *(_figure(found["metrics"].get(name), found["intervals"].get(name))
                 for _, found in columns)]
        for name in names
    ]  # fmt: skip
    _print_table(["", *(name for name, _ in columns)], rows, stream)


def _figure(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "-"
    between = f"{_APART}({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"{value:.3f}{between}"


def _by_label(result: dict[str, Any], stream: TextIO) -> None:
    rows = [
        [
            name,
            *(_figure(found[k], None) for k in ("precision", "recall", "f1")),
            str(found["support"]),
        ]
        for name, found in result.get("by_label", {}).items()
    ]
    if rows:
        _print_table(["label", "precision", "recall", "f1", "videos"], rows[:_MOST_ROWS], stream)
    if len(rows) > _MOST_ROWS:
        print(f"and {counted(len(rows) - _MOST_ROWS, 'more label')} (--json)", file=stream)


def _mistakes(labels: list[str], found: dict[str, Any]) -> list[str]:
    """The labels that are most often taken for another."""
    counts = found.get("confusion", ())
    wrong = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j]
    return [
        f"{labels[i]} was taken for {labels[j]}: {n} of {sum(counts[i])}"
        for n, i, j in sorted(wrong, key=lambda w: (-w[0], w[1:]))[:_MOST_MISTAKES]
    ]


def _difference(mine: str, other: str, found: dict[str, Any]) -> str:
    return _apart("accuracy", mine, other, found)


def _apart(metric: str, mine: str, other: str, found: dict[str, Any], *, on: int = _FEW) -> str:
    text = f"{metric} of {mine} less that of {other}: {found['difference']:+.3f}"
    if (interval := found["interval"]) is None:
        return text
    clear = interval[0] > 0 or interval[1] < 0
    between = f"{text} ({interval[0]:+.3f} to {interval[1]:+.3f})"
    if on < _FEW:
        return f"{between}: {counted(on, 'video')} cannot tell"
    return f"{between}: {'a clear difference' if clear else 'no clear difference'}"


def _print_table(titles: list[str], rows: list[list[str]], stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    def table(apart: str) -> Table:
        made = Table(box=box.SIMPLE_HEAD if stream.isatty() else box.ASCII2)
        for i, title in enumerate(titles):
            side: Any = "left" if i == 0 else "right"
            made.add_column(Text(shown(title)), overflow="fold", justify=side)
        for row in rows:
            made.add_row(*(Text(apart.join(map(shown, cell.split(_APART)))) for cell in row))
        return made

    console, wide = Console(file=stream), table(_APART)
    needed = Measurement.get(console, console.options.update(max_width=_ENDLESS), wide).maximum
    if not stream.isatty():
        Console(file=stream, width=max(needed, 1)).print(wide)  # a file has no edge
    else:
        console.print(wide if needed <= console.width else table("\n"))
