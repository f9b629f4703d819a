"""Sequence classifiers: one probability of one of their labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import batches_by_length
from tasks.scoring.toxicity_scorer import Exchange, Score, ScorerCard, no_scores

_CHUNK = 8  # batches between two writes to a cache
_UNBOUNDED = 1_000_000  # tokenizers without a limit state one of 1e30


class ClassifierScorer:
    """Scores a continuation, or prompt and continuation as one text, by the probability of a label.

    Softmax over all labels, or the sigmoid of the one label's logit, as the model was trained. A text that is too long
    is cut: at its end, or before the continuation where the prompt is read too. An empty continuation scores 0.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        card: ScorerCard,
        *,
        activation: Literal["auto", "softmax", "sigmoid"] = "auto",
        batch: int = 32,
    ) -> None:
        """A loaded model; the card names the label and whether the prompt is read.

        Args:
            model: For inference, on its device.
            tokenizer: Its own.
            card: What the scorer is.
            activation: `auto` takes what the model's problem_type says.
            batch: Sequences at once.

        Raises:
            ValueError: The model has no such label, or does not say which activation it was trained with.
        """
        self._model, self._tokenizer, self._batch = model, tokenizer, batch
        self.card = card
        self.keep_every = _CHUNK * batch
        self._index = _label_index(model, card)
        self._sigmoid = _is_sigmoid(model, card, activation)
        limit = tokenizer.model_max_length
        if limit > _UNBOUNDED:  # RoBERTa numbers positions from the padding's id + 1
            limit = model.config.max_position_embeddings - (model.config.pad_token_id or 0) - 1
        self._limit = int(limit)

    def score(self, language: str, continuations: Sequence[Exchange]) -> list[Score]:
        """One score per continuation, in order."""
        if not self.card.scores(language):
            return no_scores(self.card, language, len(continuations))
        scores = [Score(0.0)] * len(continuations)
        wanted = [index for index, one in enumerate(continuations) if one.text.strip()]
        rows = [self._ids(continuations[index]) for index in wanted]
        for index, value in zip(wanted, self._values(rows), strict=True):
            scores[index] = Score(value)
        return scores

    def _ids(self, continuation: Exchange) -> list[int]:
        head = continuation.prompt if self.card.reads_prompt else ""
        self._tokenizer.truncation_side = "left" if head else "right"
        ids: list[int] = self._tokenizer(head + continuation.text, truncation=True, max_length=self._limit)["input_ids"]
        return ids

    @torch.inference_mode()
    def _values(self, rows: Sequence[Sequence[int]]) -> list[float]:
        values = [0.0] * len(rows)
        for indices in batches_by_length(rows, self._batch):
            inputs: Any = self._tokenizer.pad({"input_ids": [list(rows[i]) for i in indices]}, return_tensors="pt")
            logits_BL = self._model(**inputs.to(self._model.device)).logits.double().cpu()
            p_BL = logits_BL.sigmoid() if self._sigmoid else logits_BL.softmax(dim=-1)
            for index, value in zip(indices, p_BL[:, self._index].tolist(), strict=True):
                values[index] = value
        return values


def load_classifier(path: Path, device: torch.device) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A local model directory, ready for inference, in fp32 everywhere; safetensors only, no remote code."""
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    model = AutoModelForSequenceClassification.from_pretrained(
        path, dtype=torch.float32, use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    return model.to(device).eval(), tokenizer


def _label_index(model: PreTrainedModel, card: ScorerCard) -> int:
    names = {int(index): str(name) for index, name in (model.config.id2label or {}).items()}
    found = [index for index, name in names.items() if name == card.label]
    if len(found) != 1:
        raise ValueError(f"{card.id}: no label {card.label!r}; its config names {', '.join(names.values())}")
    return found[0]


def _is_sigmoid(model: PreTrainedModel, card: ScorerCard, activation: Literal["auto", "softmax", "sigmoid"]) -> bool:
    if activation == "auto":
        known = {"single_label_classification": False, "multi_label_classification": True}
        if model.config.problem_type not in known:
            raise ValueError(
                f"{card.id}: its config does not say how it was trained (problem_type {model.config.problem_type!r}); "
                "set activation to softmax (one label is right) or sigmoid (each label is right or wrong on its own)"
            )
        return known[model.config.problem_type]
    if activation == "softmax" and model.config.num_labels == 1:
        raise ValueError(f"{card.id}: softmax over its only label is always 1; set activation to sigmoid")
    return activation == "sigmoid"
