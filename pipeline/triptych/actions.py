"""Options of the command line that change what the names beside them mean."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

__all__ = ["Compared", "Measured"]


class Measured(argparse.Action):
    """What is measured; summaries need no model, and then the first name is DATASET."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        namespace.task = values
        for action in parser._actions:
            if action.dest == "inputs" and values == "summary":
                action.required = False


class Compared(argparse.Action):
    """Other models; what follows the last of them, where no DATASET came before, is the data."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        from triptych.fuse.provenance import is_model

        given = list(values or ())
        models = len(given)
        if not namespace.inputs:
            # The first one is meant as a model, whatever it is.
            models = max([1, *(i for i, name in enumerate(given, 1) if is_model(name))])
            namespace.inputs = given[models:] or None
            for action in parser._actions:
                if action.dest == "inputs" and namespace.inputs:
                    action.required = False
        namespace.compare = [*namespace.compare, *given[:models]]
