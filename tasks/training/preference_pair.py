"""A preference as token ids."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from tasks.models.language_model import encode_completions, encode_prompts


@dataclass(frozen=True)
class Pair:
    """One preference, in token ids."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


def tokenise_pair(tokenizer: PreTrainedTokenizerBase, prompt: str, chosen: str, rejected: str, end: bool) -> Pair:
    """Prompt and completions are tokenised apart, so training reads the same prompt ids as generation does."""
    completions = encode_completions(tokenizer, [chosen, rejected])
    tail = (int(tokenizer.eos_token_id),) if end else ()
    first, second = ((*ids, *tail) for ids in completions)
    return Pair(tuple(encode_prompts(tokenizer, [prompt])[0]), first, second)
