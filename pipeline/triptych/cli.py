"""The command `triptych`.

Exit codes: 0 all done, 1 some failed or could be read only in part, 2 the command or its input
is wrong, 3 nothing succeeded, 130 interrupted, 143 ended by SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from triptych.amounts import counted
from triptych.arguments import parser
from triptych.config import Config, given_settings, load_config
from triptych.console import shown
from triptych.errors import TriptychError, UsageError
from triptych.flags import SETTINGS
from triptych.signals import Terminated, raising_terminated

if TYPE_CHECKING:
    from triptych.prepare import Listener
    from triptych.survey import Redo

__all__ = ["main", "parser"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = parser().parse_args(argv)
    with contextlib.suppress(AttributeError):  # a name that this terminal cannot show is no end
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        commands = {
            "run": _run,
            "watch": _watch,
            "decode": _decode,
            "train": _train,
            "evaluate": _evaluate,
            "reel": _reel,
            "cache": _cache,
            "doctor": _doctor,
            "models": _models,
        }
        with raising_terminated():
            status = commands[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except TriptychError as err:
        sys.stderr.write(f"triptych: {shown(str(err))}\n")
        return 2
    except BrokenPipeError:  # the reader, `| head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as err:
        sys.stderr.write("triptych: interrupted; the same command goes on where it stopped\n")
        return 143 if isinstance(err, Terminated) else 130


def _configured(arguments: argparse.Namespace) -> tuple[Config, set[tuple[str, str]]]:
    """The configuration, and the settings that were asked for outright."""
    handler = logging.StreamHandler()
    if arguments.log_format == "json":
        from triptych.telemetry import JsonFormatter

        handler.setFormatter(JsonFormatter())
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.ERROR,
        format="%(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )
    options: dict[str, dict[str, Any]] = {}
    for name, (section, key) in SETTINGS[arguments.command].items():
        if (value := getattr(arguments, name)) is not None:
            options.setdefault(section, {})[key] = value
    given = given_settings(
        arguments.config, assignments=tuple(arguments.assignments), options=options
    )
    config = load_config(
        arguments.config, assignments=tuple(arguments.assignments), options=options
    )
    return config, given


def _run(arguments: argparse.Namespace) -> int:
    from triptych import closing, runner
    from triptych.fuse.provenance import adopted

    config, given = _configured(arguments)
    config = adopted(config, given=given)
    redo: Redo = "nothing"
    if arguments.overwrite or arguments.retry_failed:
        redo = "all" if arguments.overwrite else "failed"
    if arguments.dry_run:
        return _dry_run(arguments, config, redo)
    with _listening(arguments) as listener:
        totals = runner.run(
            arguments.inputs, arguments.out, config=config, listener=listener, redo=redo
        )
    if totals["stopped"]:
        sys.stderr.write(f"triptych: stopped: {shown(totals['stopped'])}\n")
    if arguments.json:
        _print_json(totals)
    elif not arguments.quiet:
        closing.print_closing(totals, arguments.out, sys.stdout)
    return runner.exit_code(totals)


def _watch(arguments: argparse.Namespace) -> int:
    from triptych import closing, runner
    from triptych.fuse.provenance import adopted
    from triptych.watch import POLL_S, SETTLE_S, watch

    config, given = _configured(arguments)
    config = adopted(config, given=given)
    with _listening(arguments) as listener:
        totals = watch(
            arguments.folder,
            arguments.out,
            config=config,
            listener=listener,
            poll_s=POLL_S if arguments.poll is None else arguments.poll,
            settle_s=SETTLE_S if arguments.settle is None else arguments.settle,
            once=arguments.once,
        )
    if totals is None:
        return 0
    if totals["stopped"]:
        sys.stderr.write(f"triptych: stopped: {shown(totals['stopped'])}\n")
    if arguments.json:
        _print_json(totals)
    elif not arguments.quiet:
        closing.print_closing(totals, arguments.out, sys.stdout)
    return runner.exit_code(totals) if arguments.once or totals["stopped"] else 0


def _dry_run(arguments: argparse.Namespace, config: Config, redo: Redo) -> int:
    from triptych import closing, plan, runner

    planned = plan.dry_run(arguments.inputs, arguments.out, config=config, redo=redo)
    if arguments.json:
        _print_json(planned)
    else:
        closing.print_plan(planned, sys.stdout)
    return runner.exit_code(planned)


def _decode(arguments: argparse.Namespace) -> int:
    from triptych import closing, tally
    from triptych.unpack.command import plans, unpack
    from triptych.unpack.grammar import wishes_of

    config, given = _configured(arguments)
    wishes = wishes_of(arguments, config, given)
    if arguments.plan:
        planned = plans(arguments.inputs, wishes=wishes, config=config)
        if arguments.json:
            _print_json(planned)
        else:
            closing.print_decode_plan(planned, sys.stdout)
        return tally.exit_code(planned)
    if arguments.out is None:
        raise UsageError("no folder for the files", remedy="give one with -o DIR, or --plan")
    with _listening(arguments) as listener:
        totals = unpack(
            arguments.inputs,
            arguments.out,
            wishes=wishes,
            config=config,
            listener=listener,
            overwrite=arguments.overwrite,
        )
    if arguments.json:
        _print_json(totals)
    elif not arguments.quiet:
        closing.print_unpacked(totals, sys.stdout)
    return tally.exit_code(totals)


def _train(arguments: argparse.Namespace) -> int:
    from triptych import closing, runner, trainer

    config, _ = _configured(arguments)
    with _listening(arguments) as listener:
        result = trainer.train(arguments.inputs, arguments.out, config=config, listener=listener)
    if arguments.json:
        _print_json(result)
    elif not arguments.quiet:
        closing.print_training(result, sys.stdout)
    return runner.exit_code(result)


def _evaluate(arguments: argparse.Namespace) -> int:
    from triptych import closing, evaluator, people, runner
    from triptych.fuse.provenance import gives_labels, is_model

    config, _ = _configured(arguments)
    model, inputs = arguments.model, arguments.inputs or []
    mute = is_model(model) and not gives_labels(model)  # of importance: it has no labels
    of_summaries = arguments.task == "summary" or (arguments.task is None and mute)
    if of_summaries and not is_model(model):
        model, inputs = None, [model, *inputs]
    with _listening(arguments) as listener:
        measure = people.evaluate_summaries if of_summaries else evaluator.evaluate
        result = measure(model, inputs, config=config, listener=listener, compare=arguments.compare)
    if arguments.json:
        _print_json(result)
    elif not arguments.quiet and of_summaries:
        closing.print_agreement(result, sys.stdout)
    elif not arguments.quiet:
        closing.print_evaluation(result, sys.stdout)
    return runner.exit_code(result)


@contextlib.contextmanager
def _listening(arguments: argparse.Namespace) -> Iterator[Listener]:
    """One stream of events for the terminal, the log and the metrics."""
    from triptych import console
    from triptych.prometheus import Metrics
    from triptych.telemetry import JsonLines, Several, json_log

    told: list[Any] = [console.listener(quiet=arguments.quiet or arguments.json, stream=sys.stderr)]
    if arguments.log_format == "json":
        told = [] if arguments.quiet else [JsonLines(sys.stderr, stages=arguments.verbose)]
    with contextlib.ExitStack() as files:
        if arguments.log_file:
            told.append(files.enter_context(json_log(arguments.log_file, stages=arguments.verbose)))
        if getattr(arguments, "metrics", None):
            told.append(Metrics(arguments.metrics, out=arguments.out))
        listener = Several(*told)
        try:
            yield listener
        finally:
            listener.close()


def _print_json(data: object) -> None:
    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(data, ensure_ascii=not readable, indent=2) + "\n")


def _reel(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from triptych.reels import folder_reel

    config, _ = _configured(arguments)
    with _listening(arguments) as listener:
        made = folder_reel(
            Path(arguments.folder),
            Path(arguments.out),
            length=arguments.length,
            config=config,
            listener=listener,
        )
    if arguments.json:
        _print_json(made)
    elif not arguments.quiet:
        for gone in made["left_out"]:
            sys.stdout.write(shown(f"left out: {gone['path']}: {gone['reason']}") + "\n")
        if made["sound_only"]:
            alone = counted(
                made["sound_only"], "file of sound alone is", "files of sound alone are"
            )
            sys.stdout.write(f"{alone} not in it\n")
        told = f"{made['seconds']:.1f} s of {counted(made['videos'], 'video')}: {made['reel']}"
        sys.stdout.write(shown(told) + "\n")
    return 1 if made["left_out"] else 0


def _cache(arguments: argparse.Namespace) -> int:
    from triptych import keeping

    if arguments.action == "export":
        found, lines, status = keeping.export(
            arguments.out, arguments.target, layout=arguments.layout, tracks=arguments.tracks
        )
    elif arguments.action == "prune":
        found, lines, status = keeping.prune(arguments.max_size)
    else:
        found, lines, status = {"stats": keeping.stats, "verify": keeping.verify}[
            arguments.action
        ]()
    if arguments.json:
        _print_json(found)
    else:
        sys.stdout.writelines(f"{shown(line)}\n" for line in lines)
    return status


def _doctor(arguments: argparse.Namespace) -> int:
    from triptych.doctor import doctor_lines, examine

    facts = examine()
    if arguments.json:
        _print_json(facts)
    else:
        sys.stdout.writelines(f"{line}\n" for line in doctor_lines(facts))
    return 0


def _models(arguments: argparse.Namespace) -> int:
    if arguments.action == "fetch":
        return _fetch(arguments)
    from triptych.shelf import model_lines, model_rows

    rows = model_rows()
    if arguments.json:
        _print_json(rows)
        return 0
    sys.stdout.writelines(f"{shown(line)}\n" for line in model_lines(rows))
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from triptych.extract.fetching import fetch

    found = {name: fetch(name) for name in arguments.models}
    if arguments.json:
        _print_json(found)
    else:
        sys.stdout.writelines(f"{shown(f'{name}: {path}')}\n" for name, path in found.items())
    return 0
