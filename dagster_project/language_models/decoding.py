"""A batch of prompts through a causal model of transformers: token by token, or scored on given continuations.

Every row draws from a generator of its own, made from its seed and its prompt, so an answer does not depend on the
rows beside it (but for the rounding of sums, whose order a batch's shape may change).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dagster_project.language_models.grammar import Grammars
from dagster_project.language_models.local import draw_seed
from dagster_project.language_models.options import Tokens
from dagster_project.language_models.protocol import Request


@dataclass
class Row:
    """One request under way. said: its tokens so far; matcher: of its schema; whole: it ended before its limit."""

    request: Request
    prompt: list[int]
    matcher: Any | None = None
    said: list[int] = field(default_factory=list)
    whole: bool = False

    @property
    def longest(self) -> int:
        """Tokens of prompt and answer at most."""
        return len(self.prompt) + self.request.sampling.max_tokens

    @cached_property
    def draws(self) -> np.random.Generator:
        """The row's own numbers: one seed gives different prompts independent answers."""
        return np.random.default_rng(draw_seed(self.request.sampling.seed, self.prompt))


@torch.inference_mode()
def decode(
    model: Any,
    rows: Sequence[Row],
    ends: frozenset[int],
    stops: Callable[[Row], bool],
    grammars: Grammars | None,
) -> None:
    """Let the model answer all rows; fills `said` and `whole`. ends: tokens that end an answer.

    stops: whether what a row has said holds one of its stop strings. Rows that ended leave the batch.
    """
    active = list(rows)
    tokens, mask = padded([row.prompt for row in active], model.device)
    cache = None
    while active:
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        out = _forward(model, tokens, mask, positions, cache, last=1)
        cache = out.past_key_values
        chosen = _choose(out.logits[:, -1].float(), active, grammars)
        going = [place for place, row in enumerate(active) if not _ended(row, chosen[place], ends, stops)]
        tokens = torch.tensor(chosen, device=model.device)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
        if len(going) < len(active):
            kept = torch.tensor(going, dtype=torch.long, device=model.device)
            tokens, mask = tokens[kept], mask[kept]
            if going:
                cache.batch_select_indices(kept)
            active = [active[place] for place in going]


@torch.inference_mode()
def score(model: Any, prompts: Sequence[Sequence[int]], sequences: Sequence[Tokens]) -> list[list[float]]:
    """Log-probability that each prompt [N] goes on with each token sequence [S].

    The prompts are read once: first tokens are scored where the prompts end, longer sequences go on from the prompts'
    cached keys and values, of which a copy is made for each.
    """
    tokens, mask = padded(prompts, model.device)
    read = _forward(model, tokens, mask, (mask.cumsum(1) - 1).clamp(min=0), None, last=1)
    first = read.logits[:, -1].float().log_softmax(-1)
    columns = []
    for sequence in sequences:
        total = first[:, sequence[0]].double()
        if len(sequence) > 1:
            total = total + _rest(model, read.past_key_values, mask, sequence)
        columns.append(total)
    return torch.stack(columns, dim=1).tolist()


def padded(prompts: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    """Tokens and mask [N, T] of prompts padded on the left; the mask is 1 where a token is the prompt's own."""
    longest = max(map(len, prompts))
    tokens = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return tokens.to(device), mask.to(device)


def _rest(model: Any, cache: Any, mask: Tensor, sequence: Tokens) -> Tensor:
    given = torch.tensor([sequence[:-1]] * len(mask), device=model.device)
    longer = torch.cat([mask, mask.new_ones(given.shape)], dim=1)
    positions = (longer.cumsum(1) - 1)[:, mask.shape[1] :]
    logits = _forward(model, given, longer, positions, copy.deepcopy(cache), last=0).logits
    wanted = torch.tensor(sequence[1:], device=model.device).expand(len(mask), -1)[..., None]
    return logits.float().log_softmax(-1).gather(2, wanted)[..., 0].double().sum(1)


def _forward(model: Any, tokens: Tensor, mask: Tensor, positions: Tensor, cache: Any, last: int) -> Any:
    """last: how many positions from the end get logits; 0 gives all of them theirs."""
    return model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=last,
    )


def _choose(logits: Tensor, rows: Sequence[Row], grammars: Grammars | None) -> list[int]:
    """The next token of each row from its logits [N, V]."""
    bound = [place for place, row in enumerate(rows) if row.matcher is not None]
    if bound and grammars is not None:
        allowed = grammars.allowed([rows[place].matcher for place in bound])[:, : logits.shape[1]]
        at = torch.tensor(bound, device=logits.device)
        logits[at] = logits[at].masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)
    chosen = logits.argmax(-1)
    drawn = [place for place, row in enumerate(rows) if row.request.sampling.temperature > 0]
    if drawn:
        at = torch.tensor(drawn, device=logits.device)
        chosen[at] = _drawn(logits[at], [rows[place] for place in drawn])
    return chosen.tolist()


def _drawn(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """A token per row by inversion, from the fewest likeliest tokens whose mass reaches its top_p."""
    samplings = [row.request.sampling for row in rows]
    heat = logits.new_tensor([sampling.temperature for sampling in samplings])[:, None]
    # The largest is taken off first: a temperature near 0 must not overflow.
    spread = (logits - logits.amax(-1, keepdim=True)) / heat
    masses, order = spread.softmax(-1).double().sort(dim=-1, descending=True, stable=True)
    top = masses.new_tensor([sampling.top_p for sampling in samplings])[:, None]
    held = masses.where(masses.cumsum(-1) - masses < top, 0.0).cumsum(-1)
    at = held.new_tensor([row.draws.random() for row in rows])[:, None] * held[:, -1:]
    place = (held <= at).sum(-1, keepdim=True)
    return order.gather(1, place)[:, 0]


def _ended(row: Row, token: int, ends: frozenset[int], stops: Callable[[Row], bool]) -> bool:
    """Take a token in. Whether the row has ended with it."""
    if token in ends:
        row.whole = True
        return True
    row.said.append(token)
    if row.matcher is not None:
        row.matcher.consume_token(token)
        row.whole = row.matcher.is_stopped() and not row.matcher.is_error()
        if row.matcher.is_stopped():
            return True
    row.whole = row.whole or stops(row)
    return row.whole or len(row.said) >= row.request.sampling.max_tokens
