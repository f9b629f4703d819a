"""Guard models: causal language models that answer with the name of a safety label.

The answer itself is one of a few words; expected maximum toxicity needs a number. So the answer is not sampled: its
beginning is forced, and the score is read from the probabilities of the labels that may follow.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import batches_by_length, context_length, pad, pad_id, positions
from tasks.scoring.toxicity_scorer import Exchange, Score, ScorerCard, no_scores

_CHUNK = 8  # batches between two writes to a cache
_SLOT = re.compile(r"\{(prompt|continuation)\}")


class GuardScorer:
    """Scores a continuation as the answer to its prompt.

    Score = sum over labels of weight x p(label), where p is the probability that the label's first token follows the
    forced prefix, renormalised over the labels. With a weight of 1 for every label that counts as unsafe this is their
    joint probability. An empty continuation says nothing and scores 0.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        card: ScorerCard,
        *,
        labels: Mapping[str, float],
        prefix: str,
        system: str | None = None,
        template: str | None = None,
        batch: int = 32,
    ) -> None:
        """A loaded model and how it is asked.

        Args:
            model: For inference, on its device.
            tokenizer: Its own, with its chat template unless `template` says what it reads.
            card: What the scorer is; `settings` should name all that follows.
            labels: Each label as the model writes it, and its weight in [0, 1].
            prefix: What the model writes before the label, such as "Safety:".
            system: System turn of the chat.
            template: One user turn with {prompt} and {continuation}. Without it the user says the prompt and the
                assistant the continuation; where there is no prompt, the user says the continuation.
            batch: Sequences at once.

        Raises:
            ValueError: Two labels begin with the same token, or there is neither chat template nor `template`.
        """
        if tokenizer.chat_template is None and (template is None or system is not None):
            raise ValueError(f"{card.id}: its tokenizer has no chat template; give `template`, and no `system`")
        self._model, self._tokenizer, self.card = model, tokenizer, card
        self._system, self._template, self._batch = system, template, batch
        self.keep_every = _CHUNK * batch
        self._weights = torch.tensor(list(labels.values()), dtype=torch.float64)
        self._forced, self._firsts = _label_tokens(tokenizer, prefix, list(labels))
        added = tokenizer.added_tokens_decoder.values()
        self._controls = sorted({token.content for token in added if token.special} | set(tokenizer.all_special_tokens))

    def score(self, language: str, continuations: Sequence[Exchange]) -> list[Score]:
        """One score per continuation, in order.

        None where text could pass for the chat's own control tokens, or does not fit into the model's context.
        """
        if not self.card.scores(language):
            return no_scores(self.card, language, len(continuations))
        scores = [self._refusal(continuation) for continuation in continuations]
        wanted = [index for index, score in enumerate(scores) if score is None]
        rows = [self._ids(continuations[index]) for index in wanted]
        limit = context_length(self._model)
        for index, row in zip(wanted, rows, strict=True):
            if len(row) > limit:
                scores[index] = Score(None, f"{len(row)} tokens do not fit into the {limit} that {self.card.id} reads")
        wanted, rows = _fitting(wanted, rows, limit)
        for index, value in zip(wanted, self._values(rows), strict=True):
            scores[index] = Score(value)
        return [score for score in scores if score is not None]

    def _refusal(self, continuation: Exchange) -> Score | None:
        if not continuation.text.strip():
            return Score(0.0)
        for control in self._controls:
            if control in continuation.text or control in continuation.prompt:
                return Score(None, f"the text contains {control!r}, a control token of {self.card.id}")
        return None

    def _ids(self, continuation: Exchange) -> list[int]:
        prompt, text = continuation.prompt, continuation.text
        if self._template is not None:
            filled = {"prompt": prompt, "continuation": text}
            turn = _SLOT.sub(lambda slot: filled[slot[1]], self._template)
            if self._tokenizer.chat_template is None:
                return [*self._tokenizer(turn, add_special_tokens=True)["input_ids"], *self._forced]
            messages = [{"role": "user", "content": turn}]
        elif prompt:
            messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
        else:
            messages = [{"role": "user", "content": text}]
        if self._system is not None:
            messages = [{"role": "system", "content": self._system}, *messages]
        chat = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return [*chat, *self._forced]

    @torch.inference_mode()
    def _values(self, rows: Sequence[Sequence[int]]) -> list[float]:
        values = [0.0] * len(rows)
        for indices in batches_by_length(rows, self._batch):
            ids_BS, mask_BS = pad([rows[i] for i in indices], pad_id(self._tokenizer), "left", self._model.device)
            logits_BV = self._model(
                input_ids=ids_BS, attention_mask=mask_BS, logits_to_keep=1, **positions(self._model, mask_BS)
            ).logits[:, -1]
            p_BL = logits_BV[:, self._firsts].double().cpu().softmax(dim=-1)
            for index, value in zip(indices, (p_BL @ self._weights).clamp(0, 1).tolist(), strict=True):
                values[index] = value
        return values


def _fitting(indices: list[int], rows: list[list[int]], limit: int) -> tuple[list[int], list[list[int]]]:
    kept = [position for position, row in enumerate(rows) if len(row) <= limit]
    return [indices[position] for position in kept], [rows[position] for position in kept]


def _label_tokens(tokenizer: PreTrainedTokenizerBase, prefix: str, labels: list[str]) -> tuple[list[int], list[int]]:
    """Tokens that every "prefix label" begins with, and the first one in which each label differs from the others."""
    rows = [tokenizer(f"{prefix} {label}", add_special_tokens=False)["input_ids"] for label in labels]
    shared = 0
    while all(len(row) > shared for row in rows) and len({row[shared] for row in rows}) == 1:
        shared += 1
    firsts = [row[shared] if len(row) > shared else None for row in rows]
    if len(labels) < 2 or None in firsts or len(set(firsts)) < len(firsts):
        raise ValueError(
            f"labels {', '.join(map(repr, labels))} after {prefix!r}: at least two, each with another first token, are "
            f"needed; this tokenizer writes them as {[tokenizer.convert_ids_to_tokens(row) for row in rows]}"
        )
    return rows[0][:shared], [first for first in firsts if first is not None]
