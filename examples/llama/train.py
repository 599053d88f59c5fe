"""Trains a small Llama-style language model and writes it as ONNX, with its tokenizer.

    python -m venv /tmp/llama && /tmp/llama/bin/pip install torch numpy onnx tokenizers
    /tmp/llama/bin/python examples/llama/train.py

The text is what lies on every machine: the licence of this project, Python's own licence, and the
language reference that Python carries as `pydoc_data.topics`. Beside itself it writes

    llama.onnx          tokens, position, cache -> logits, cache; described in `network.py`
    tokenizer.json      512 tokens: all bytes, and the pairs that are frequent in that text
    card.md             what it was made of, and how well it does

One thread, so that the same machine and the same torch give the same weights.
"""

from __future__ import annotations

import platform
import random
import sys
import sysconfig
import time
from hashlib import sha256
from pathlib import Path
from pydoc_data import topics

import numpy as np
import onnx
import torch
from network import Llama, Sizes, to_onnx
from onnx.reference import ReferenceEvaluator
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional

HERE = Path(__file__).parent
END = "<|end|>"
SEED = 7
STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
BATCH = 8
LENGTH = 256
LICENCE_COPIES = 4  # they are short beside the reference
HELD_OUT = 0.05


def documents() -> list[str]:
    """Every text of the corpus, in a fixed order."""
    library = Path(sysconfig.get_path("stdlib"))
    licences = [HERE.parents[1] / "LICENSE", library / "LICENSE.txt"]
    texts = [path.read_text() for path in licences] * LICENCE_COPIES
    return texts + [topics.topics[name] for name in sorted(topics.topics)]


def make_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte-level pairs: any text can be spelled, and spelling it back loses nothing."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=Sizes().vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def train(model: Llama, tokens: torch.Tensor, held_out: torch.Tensor) -> float:
    """AdamW with a short warm-up and a cosine to zero; returns the loss on text never seen."""
    decayed = [weight for weight in model.parameters() if weight.dim() == 2]
    plain = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=4e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=STEPS, pct_start=0.05
    )
    choose = random.Random(SEED)
    started = time.monotonic()
    for step in range(1, STEPS + 1):
        starts = [choose.randrange(len(tokens) - LENGTH - 1) for _ in range(BATCH)]
        windows = torch.stack([tokens[start : start + LENGTH + 1] for start in starts])
        loss = cross_entropy(model, windows)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s")
    return validation(model, held_out)


def validation(model: Llama, held_out: torch.Tensor) -> float:
    count = (len(held_out) - 1) // LENGTH
    windows = torch.stack([held_out[at * LENGTH : (at + 1) * LENGTH + 1] for at in range(count)])
    with torch.no_grad():
        return cross_entropy(model, windows).item()


def cross_entropy(model: Llama, windows: torch.Tensor) -> torch.Tensor:
    logits = model(windows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def disagreement(model: Llama, exported: bytes, sizes: Sizes, tokens: list[int]) -> float:
    """The largest difference between torch's logits and the exported model's, run in two blocks."""
    evaluator = ReferenceEvaluator(onnx.load_from_string(exported))
    names = evaluator.input_names[2:]
    cache = np.zeros((1, sizes.key_heads, sizes.capacity, sizes.head_width), np.float32)
    state = dict.fromkeys(names, cache)
    rows, start = [], 0
    for block in (tokens[:-3], tokens[-3:]):
        position = np.array([start], np.int64)
        feeds = {"tokens": np.array([block], np.int64), "position": position, **state}
        logits, *caches = evaluator.run(None, feeds)
        state = dict(zip(names, caches, strict=True))
        rows.append(logits)
        start += len(block)
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).numpy()
    return float(np.abs(np.concatenate(rows, axis=1) - expected).max())


CARD = """# llama: a small language model

A Llama-style network of {parameters:,} parameters ({layers} layers, width {width}, {heads} heads
over {key_heads} key heads, {capacity} places, {vocabulary} tokens), trained by `train.py` in
{steps:,} steps. It is a fixture: it continues licence texts and pages of a language reference in
their tone, and knows nothing.

- text: the Apache License 2.0 of this project; the licence of Python {python} and the pages of its
  language reference in `pydoc_data.topics` (Python Software Foundation License 2.0,
  copyright Python Software Foundation): {size:,} characters, SHA-256 `{digest}`
- loss: {loss:.3f} nats a token on the last {held_out:.0%} of the text, which it has not seen
  ({letters:.2f} characters a token)
- made with torch {torch}, one thread, seed {seed}
- largest difference between torch and the exported model: {difference:.1e}
"""


def main() -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    sizes = Sizes()
    texts = documents()
    tokenizer = make_tokenizer(texts)
    tokenizer.save(str(HERE / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    tokens = torch.tensor([token for text in texts for token in (*tokenizer.encode(text).ids, end)])
    split = int(len(tokens) * (1 - HELD_OUT))
    characters = sum(map(len, texts))
    print(f"{characters:,} characters, {len(tokens):,} tokens")
    model = Llama(sizes)
    loss = train(model, tokens[:split], tokens[split:])
    exported = to_onnx(model, sizes)
    (HERE / "llama.onnx").write_bytes(exported)
    card = CARD.format(
        **vars(sizes),
        parameters=sum(weight.numel() for weight in model.parameters()),
        steps=STEPS,
        python=platform.python_version(),
        size=characters,
        digest=sha256("\0".join(texts).encode()).hexdigest(),
        loss=loss,
        held_out=HELD_OUT,
        letters=characters / len(tokens),
        torch=torch.__version__,
        seed=SEED,
        difference=disagreement(model, exported, sizes, tokens[:40].tolist()),
    )
    (HERE / "card.md").write_text(card)
    print(card)


if __name__ == "__main__":
    main()
