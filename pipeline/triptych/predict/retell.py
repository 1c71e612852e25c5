"""The summary rewritten by a local language model, which must name a source for each sentence.

The model is given numbered sources (cues that the summary quotes, labels of its key moments) and
ends each sentence with their numbers. A sentence that names none, or one that there is not, is
dropped: what is kept can be checked against a cue or a picture. That it says the same as its
sources nobody knows, so it stands apart from the summary, and is marked as generated.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from triptych.errors import UsageError
from triptych.extract.pretrained import hushed
from triptych.fuse.language import REMEDY, llm_folder
from triptych.predict.narrate import clock
from triptych.records import Claim, Cue, Ground, Retold, Segment

__all__ = ["check", "grounds_of", "parsed", "prompt_of", "retell"]

_MOST_TOKENS, _MOST_SENTENCES = 256, 5
_USUAL_CONTEXT = 2048  # of models that do not say theirs
_MARKS = r"(?:\s*[\[【][\d\s,，、]*[\]】])+"
_PIECE = re.compile(
    rf"(?P<said>.+?)(?:(?P<marks>{_MARKS})[.!?。！？]*"
    r"|(?<=[.!?…])(?=\s(?!\s*[\[【]))|(?<=[。！？])(?!\s*[\[【])|\n|$)"
)
_BULLET = re.compile(r"^(?:[\s\-*•>]|[\[【][\d\s,，、]*[\]】])+")
_ENGLISH = (
    "Summarise a video in at most {most} sentences. Use nothing but these sources. End each "
    "sentence with the numbers of the sources it rests on, such as [2] or [1, 3].\n\n{sources}"
)
_CHINESE = (
    "用至多 {most} 句话概括一段视频。只能使用下列来源。每句话末尾注明所依据的来源编号，"
    "例如 [2] 或 [1, 3]。\n\n{sources}"
)


def grounds_of(
    cues: Sequence[Cue], *, sentences: Sequence[Cue], segments: Sequence[Segment]
) -> list[Ground]:
    """What may be written from, in time order.

    Args:
        cues: all of them.
        sentences: those that the summary quotes.
        segments: key moments.
    """
    places = {id(cue): i for i, cue in enumerate(cues)}
    found = [
        Ground(
            kind="cue",
            start_s=cue.start_s,
            end_s=cue.end_s,
            text=cue.text,
            cue=places.get(id(cue), cues.index(cue) if cue in cues else None),
        )
        for cue in sentences
    ]
    found += [
        Ground(kind="frame", start_s=s.start_s, end_s=s.end_s, text=s.label)
        for s in segments
        if s.label
    ]
    return sorted(found, key=lambda ground: (ground.start_s, ground.kind))


def prompt_of(grounds: Sequence[Ground], *, origin_s: float, chinese: bool) -> str:
    """What the model is asked; sources are counted from 1."""
    lines = []
    for number, ground in enumerate(grounds, start=1):
        at, text = clock(ground.start_s - origin_s), " ".join(ground.text.split())
        if chinese:
            said = f"{at} 说道：“{text}”" if ground.kind == "cue" else f"{at} 画面：{text}"
        else:
            said = f"{at} said: “{text}”" if ground.kind == "cue" else f"{at} seen: {text}"
        lines.append(f"[{number}] {said}")
    asked = _CHINESE if chinese else _ENGLISH
    return asked.format(most=_MOST_SENTENCES, sources="\n".join(lines))


def parsed(text: str, grounds: Sequence[Ground]) -> tuple[tuple[Claim, ...], int]:
    """Sentences with their grounds, and how many were dropped for want of them.

    >>> told = Ground(kind="cue", start_s=0.0, end_s=1.0, text="Hello", cue=0)
    >>> claims, dropped = parsed("They greet [1]. It is Paris. It rains [2].", [told])
    >>> [claim.text for claim in claims], dropped
    (['They greet.'], 2)
    """
    claims: list[Claim] = []
    dropped = 0
    for piece in _PIECE.finditer(text):
        said = _BULLET.sub("", " ".join(piece["said"].split()))
        if not any(ch.isalnum() for ch in said):
            continue
        numbers = [int(n) for n in re.findall(r"\d+", piece["marks"] or "")]
        if not numbers or not all(1 <= n <= len(grounds) for n in numbers):
            dropped += 1
            continue
        end = "" if said[-1] in ".!?。！？…" else "。" if "\u4e00" <= said[-1] <= "\u9fff" else "."
        rests_on = tuple(grounds[n - 1] for n in dict.fromkeys(numbers))
        claims.append(Claim(text=said + end, grounds=rests_on))
    return tuple(claims), dropped


def retell(
    name: str, grounds: Sequence[Ground], *, origin_s: float, chinese: bool
) -> Retold | None:
    """Let a language model write, greedily, with a bound on its tokens; None without sources.

    Args:
        name: of the model, see `llm_folder`.
        grounds: see `grounds_of`.
        origin_s: where a player's clock begins.
        chinese: the language to be written in, else English.

    Raises:
        UsageError: the model is not here, or cannot be loaded.
    """
    if not grounds:
        return None
    import torch

    from triptych.fuse.trained import one_thread

    folder = llm_folder(name)
    tokenizer, model = _loaded(str(folder))
    limit = int(getattr(model.config, "max_position_embeddings", None) or _USUAL_CONTEXT)
    room = max(1, limit - _MOST_TOKENS)
    given = list(grounds)
    tokens = _tokens(tokenizer, prompt_of(given, origin_s=origin_s, chinese=chinese))
    while tokens.shape[1] > room and len(given) > 1:  # the last sources are done without
        given.pop()
        tokens = _tokens(tokenizer, prompt_of(given, origin_s=origin_s, chinese=chinese))
    with one_thread(), torch.inference_mode():
        written = model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=max(1, min(_MOST_TOKENS, limit - tokens.shape[1])),
        )
    text = tokenizer.decode(written[0, tokens.shape[1] :], skip_special_tokens=True)
    claims, dropped = parsed(text, given)
    return Retold(model=name.rstrip("/").rpartition("/")[2], claims=claims, dropped=dropped)


def check(name: str) -> None:
    """Load a language model and forget it: better before the work than in each video.

    Raises:
        UsageError: the model is not here, or cannot be loaded.
    """
    _loaded(str(llm_folder(name)))


def _tokens(tokenizer: Any, prompt: str) -> Any:
    if tokenizer.chat_template:
        asked = [{"role": "user", "content": prompt}]
        found = tokenizer.apply_chat_template(
            asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
    else:
        found = tokenizer(prompt + "\n\n", return_tensors="pt")
    return found["input_ids"]


@functools.lru_cache(maxsize=1)
def _loaded(folder: str) -> tuple[Any, Any]:
    """Tokenizer and model of a folder; code that lies in it is never run, no pickle is read."""
    import torch
    from safetensors import SafetensorError

    hub: Any = import_module("transformers")
    hushed()
    try:
        tokenizer = hub.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model, told = hub.AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (
        *(ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError),
        SafetensorError,
    ) as err:
        said = str(err).splitlines()[0] if str(err) else repr(err)
        raise UsageError(
            f"the language model {folder} cannot be loaded: {said}",
            remedy=REMEDY,
        ) from err
    if missing := sorted(told["missing_keys"]):  # random numbers would take their place
        raise UsageError(
            f"the language model {folder} lacks weights: {', '.join(missing[:3])}",
            remedy=REMEDY,
        )
    known = model.generation_config
    # Greedy, whatever the model's own settings ask for.
    model.generation_config = hub.GenerationConfig(
        do_sample=False,
        num_beams=1,
        eos_token_id=known.eos_token_id or tokenizer.eos_token_id,
        pad_token_id=known.pad_token_id or tokenizer.pad_token_id or tokenizer.eos_token_id,
    )
    return tokenizer, model.eval()
