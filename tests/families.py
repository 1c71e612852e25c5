"""Small models of every family, made with the libraries' own classes and saved as they save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hub_models import ast, clap, sentences, torchaudio, video, voice

__all__ = ["MAKERS", "seeded"]


def seeded() -> Any:
    """Torch with a seed, so that two sessions make the same model."""
    import torch

    torch.manual_seed(3)
    return torch


def settle(network: Any, batch: Any) -> None:
    """Statistics as after training: without them all answers are near zero."""
    for module in network.modules():
        if hasattr(module, "running_mean"):
            module.momentum = 0.9
    for _ in range(2):
        network.train()(batch)


def torchvision(folder: Path) -> str:
    """A state_dict of one's own."""
    torch = seeded()
    from torchvision.models import mobilenet_v3_small

    network = mobilenet_v3_small(weights=None, num_classes=7)
    settle(network, torch.randn(4, 3, 96, 96))
    path = folder / "权重.pth"
    torch.save(network.state_dict(), path)
    return f"mobilenet_v3_small:{path}"


def timm(folder: Path) -> str:
    """What timm writes for the hub."""
    seeded()
    from timm import create_model
    from timm.models import save_for_hf

    network = create_model("resnet10t", pretrained=False, num_classes=5)
    save_for_hf(network, str(folder), safe_serialization=True)
    return str(folder)


_SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
}  # fmt: skip
_SIDE = 32
_TEXTS = (
    "This is a photo of a cat.", "a video of two dogs running", "a car on the road at night",
    "一张猫的照片。", "一段关于汽车的视频。",
)  # fmt: skip


def _bpe(folder: Path, kind: str) -> None:
    """A tokenizer of a real kind, taught on a few sentences."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer, CLIPTokenizer, Siglip2Tokenizer

    if kind == "siglip_spiece":
        _pieces(folder)
        return
    if kind == "chinese_clip":
        letters = sorted({c for text in _TEXTS for c in text.lower() if not c.isspace()})
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, "cat", "photo", "##s"]
        (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
        return
    end = "</w>" if kind == "clip" else ""
    taught = Tokenizer(models.BPE(end_of_word_suffix=end, byte_fallback=kind == "siglip"))
    taught.normalizer = normalizers.Lowercase()
    taught.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    taught.decoder = decoders.ByteLevel()
    special = ["<|startoftext|>", "<|endoftext|>"]
    if kind == "siglip":
        taught.normalizer = normalizers.Replace(" ", "▁")
        taught.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        end_of_word_suffix=end,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if kind == "clip" else [],
        show_progress=False,
    )
    taught.train_from_iterator(_TEXTS, trainer)
    parts = json.loads(taught.to_str())["model"]
    merges = [tuple(pair) for pair in parts["merges"]]
    made = {"clip": CLIPTokenizer, "siglip": Siglip2Tokenizer}[kind]
    made(vocab=parts["vocab"], merges=merges).save_pretrained(folder)


def _pieces(folder: Path) -> None:
    """SigLIP's own words: sentencepiece's, with the numbers of its special tokens."""
    import io

    import sentencepiece
    from transformers import SiglipTokenizer

    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in _TEXTS] * 20),
        model_writer=made,
        vocab_size=90,
        hard_vocab_limit=False,
        character_coverage=1.0,
        bos_id=-1,
        pad_id=-1,
        eos_id=1,
        unk_id=2,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(made.getvalue())
    SiglipTokenizer(str(folder / "spiece.model")).save_pretrained(folder)
    path = folder / "tokenizer_config.json"  # as google's say
    told = json.loads(path.read_text(encoding="utf-8")) | {"model_input_names": ["input_ids"]}
    path.write_text(json.dumps(told), encoding="utf-8")


def clip(folder: Path, kind: str = "clip") -> str:
    """A model of pictures and words: clip, siglip, siglip_spiece (SigLIP v1) or chinese_clip."""
    torch = seeded()
    import transformers

    _bpe(folder, kind)
    kind = kind.removesuffix("_spiece")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    name = {"clip": "CLIP", "siglip": "Siglip", "chinese_clip": "ChineseCLIP"}[kind]
    text = {**_SMALL, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    text |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text |= {"pad_token_id": tokenizer.pad_token_id or 0}
    if kind == "clip":
        text["projection_dim"] = 24
    vision = {**_SMALL, "image_size": _SIDE, "patch_size": 8}
    more = {} if kind == "siglip" else {"projection_dim": 24}
    config = getattr(transformers, f"{name}Config")(text_config=text, vision_config=vision, **more)
    model = getattr(transformers, f"{name}Model")(config)
    with torch.no_grad():  # as far apart as a model's that was taught
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.3)
        if kind == "siglip":
            model.logit_scale.fill_(2.0)
            model.logit_bias.fill_(-3.0)
    model.save_pretrained(folder)
    side = {"height": _SIDE, "width": _SIDE}
    size = {"size": side} if kind == "siglip" else {"size": {"shortest_edge": _SIDE + 3}}
    cut = {} if kind == "siglip" else {"crop_size": side}
    getattr(transformers, f"{name}ImageProcessorPil")(**size, **cut).save_pretrained(folder)
    return str(folder)


def published_audioset(
    width: float = 0.1, seed: int = 0, *, settled: bool = False
) -> dict[str, Any]:
    """Weights that nobody trained, as EfficientAT would publish them."""
    import torch

    from triptych_models import AudioSetMobileNet

    torch.manual_seed(seed)
    network = AudioSetMobileNet(width)
    if settled:
        settle(network, torch.randn(4, 200, 128))
    return as_published(network)


def as_published(network: Any) -> dict[str, Any]:
    """A MobileNetV3's weights under EfficientAT's names."""
    found = {}
    for name, value in network.state_dict().items():
        if ".fc" in name:
            parts = name.split(".")
            name = ".".join([*parts[:-2], "conc_se_layers.0", *parts[-2:]])
            value = value.flatten(1) if value.ndim == 4 else value
        name = name.replace("classifier.0.", "classifier.2.").replace(
            "classifier.3.", "classifier.5."
        )
        found[name] = value
    return found


def audioset(folder: Path) -> str:
    """A file as EfficientAT publishes it."""
    torch = seeded()
    torch.save(published_audioset(settled=True), folder / "mn01.pt")
    return str(folder / "mn01.pt")


def autoencoder(folder: Path) -> str:
    """A network that was taught nothing, as `triptych train --task features` writes one."""
    seeded()
    from triptych_models.autoencoder import Autoencoder, Recipe, save

    recipe = Recipe(dim=8, width=4)
    network = Autoencoder(dim=recipe.dim, width=recipe.width)
    save(network, folder, recipe=recipe, learned={})
    return str(folder)


#: Family -> a function that makes a model in an empty folder, and says its source.
MAKERS = {
    "autoencoder": autoencoder,
    "torchvision": torchvision,
    "timm": timm,
    "clip": clip,
    "audioset": audioset,
    "video": video,
    "ast": ast,
    "clap": clap,
    "voice": voice,
    "torchaudio": torchaudio,
    "sentences": sentences,
}
