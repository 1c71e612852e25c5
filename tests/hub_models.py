"""Small models of transformers' own classes, for sound, words and many frames at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["ast", "clap", "sentences", "torchaudio", "video", "voice"]


def seeded() -> None:
    """Two sessions make the same model."""
    import torch

    torch.manual_seed(3)


def ast(folder: Path) -> str:
    """An Audio Spectrogram Transformer with labels, which hears 1.28 s."""
    seeded()
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    labels = {0: "hum", 1: "雨", 2: "bark"}
    config = ASTConfig(**_SMALL, max_length=128, num_mel_bins=32, id2label=labels)
    return _saved(
        folder,
        ASTForAudioClassification(config),
        ASTFeatureExtractor(max_length=128, num_mel_bins=32),
    )


def clap(folder: Path) -> str:
    """Both towers of CLAP, which hears 1 s of 48 kHz."""
    seeded()
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    audio = {
        "spec_size": 64,
        "num_mel_bins": 16,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "num_hidden_layers": 2,
    }
    text = {**_SMALL, "vocab_size": len(_WORDS), "max_position_embeddings": 80, "pad_token_id": 0}
    config = ClapConfig(audio_config=audio, text_config=text, projection_dim=24)
    prepared = ClapFeatureExtractor(feature_size=16, max_length_s=1, truncation="rand_trunc")
    return _saved(folder, ClapModel(config), prepared, _tokenizer())


def voice(folder: Path, kind: str = "HubertModel") -> str:
    """HuBERT, or another class of transformers with the same settings."""
    seeded()
    import transformers

    small = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    network = getattr(transformers, kind)
    prepared = transformers.Wav2Vec2FeatureExtractor()
    return _saved(folder, network(network.config_class(**_SMALL, **small)), prepared)


def torchaudio(folder: Path, kind: str = "Wav2Vec2", *, levelled: bool = False) -> str:
    """A network of torchaudio's own function; `levelled`: as its large ones are."""
    seeded()
    import torch
    from torchaudio import models

    params = {
        "extractor_mode": "layer_norm" if levelled else "group_norm",
        "extractor_conv_layer_config": [[8, 10, 5], *[[8, 3, 2]] * 4, *[[8, 2, 2]] * 2],
        "extractor_conv_bias": levelled,
        "encoder_embed_dim": 32,
        "encoder_projection_dropout": 0.1,
        "encoder_pos_conv_kernel": 16,
        "encoder_pos_conv_groups": 2,
        "encoder_num_layers": 2,
        "encoder_num_heads": 2,
        "encoder_attention_dropout": 0.1,
        "encoder_ff_interm_features": 48,
        "encoder_ff_interm_dropout": 0.1,
        "encoder_dropout": 0.1,
        "encoder_layer_norm_first": levelled,
        "encoder_layer_drop": 0.05,
        "aux_num_out": 29,
    }
    if kind == "WavLM":
        params |= {"encoder_num_buckets": 32, "encoder_max_distance": 80}
    made = {"Wav2Vec2": models.wav2vec2_model, "WavLM": models.wavlm_model}[kind](**params)
    torch.save(made.state_dict(), folder / "pytorch_model.bin")
    told = {"model_type": kind, "params": params, "sample_rate": 16_000}
    told["normalize_waveform"] = levelled
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")
    return str(folder)


def sentences(folder: Path, *, pooling: str = "cls_token", unit: bool = True) -> str:
    """A small BERT of single characters, with the files of sentence-transformers."""
    seeded()
    from transformers import BertConfig, BertModel

    config = BertConfig(
        **_SMALL, initializer_range=0.2, vocab_size=len(_WORDS), max_position_embeddings=40
    )
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    files = {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(parts if unit else parts[:2])
        ],
        "1_Pooling/config.json": {
            f"pooling_mode_{each}": each == pooling for each in ("cls_token", "mean_tokens")
        },
        "sentence_bert_config.json": {"max_seq_length": 32},
        "config_sentence_transformers.json": {"prompts": {"query": "Q: ", "passage": "passage: "}},
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(data), encoding="utf-8")
    return _saved(folder, BertModel(config), _tokenizer())


def video(folder: Path, kind: str = "VideoMAEForVideoClassification", **settings: Any) -> str:
    """VideoMAE or another class, which looks at 4 frames, 5 a second."""
    seeded()
    import transformers

    network = getattr(transformers, kind)
    small = {
        **_SMALL,
        "image_size": 32,
        "patch_size": 16,
        "num_frames": 4,
        "initializer_range": 0.2,
    }
    small["id2label"] = {0: "walk", 1: "跑"}
    if "XCLIP" in kind:
        vision = {**small, "mit_hidden_size": 24, "mit_intermediate_size": 48}
        vision |= {"mit_num_attention_heads": 2, "mit_num_hidden_layers": 1}
        text = {**_SMALL, "vocab_size": 40, "eos_token_id": 39, "bos_token_id": 38}
        small = {"text_config": text, "vision_config": vision, "projection_dim": 24}
        small |= {"prompt_num_attention_heads": 2, "prompt_layers": 1}
    if "Vivit" in kind:
        small["tubelet_size"] = [2, 16, 16]
    made = network(network.config_class(**small, **settings))
    prepared = "VivitImageProcessor" if "Vivit" in kind else "VideoMAEImageProcessor"
    size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    _saved(folder, made, getattr(transformers, prepared)(**size))
    path = folder / "preprocessor_config.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"fps": 5.0}), encoding="utf-8")
    return str(folder)


_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789:.,!?今天的天气很好猫在暖炉上睡觉"
_WORDS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *dict.fromkeys(_LETTERS),
    *(f"##{letter}" for letter in dict.fromkeys(_LETTERS)),
)


def _tokenizer() -> Any:
    """Of single characters."""
    from transformers import BertTokenizer

    return BertTokenizer(vocab={word: i for i, word in enumerate(_WORDS)})


def _saved(folder: Path, *parts: Any) -> str:
    for part in parts:
        part.save_pretrained(folder)
    return str(folder)
