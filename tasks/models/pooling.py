"""Sentence embeddings from token representations.

Shapes: B sentences, S token positions, D dimensions.

Pure: no files, clock, network or globals.
"""

import torch
from torch import Tensor


def mean_pool(hidden_BSD: Tensor, attention_mask_BS: Tensor) -> Tensor:
    """Mean of the hidden states of the tokens that are not padding.

    The result depends neither on the side or amount of padding nor on what stands there, NaN
    included.

    Args:
        hidden_BSD: Hidden states of one layer, floating point.
        attention_mask_BS: 1 for a token, 0 for padding.

    Returns:
        Embeddings, shape (B, D), in the precision of the input but at least float32.

    Raises:
        ValueError: The shapes disagree, the mask holds other values than 0 and 1, a row is fully
            masked, or a token's hidden state is not finite.
    """
    if hidden_BSD.ndim != 3 or hidden_BSD.shape[:2] != attention_mask_BS.shape:
        raise ValueError(
            f"hidden states {tuple(hidden_BSD.shape)} and attention mask "
            f"{tuple(attention_mask_BS.shape)} are not (B, S, D) and (B, S)"
        )
    token_BS = attention_mask_BS == 1
    if not bool((token_BS | (attention_mask_BS == 0)).all()):
        raise ValueError("attention mask holds values other than 0 and 1")
    tokens_B = token_BS.sum(dim=1)
    if not bool((tokens_B > 0).all()):
        raise ValueError(f"rows {_rows(tokens_B == 0)} are fully masked")
    # bfloat16 keeps 8 bits: a sum over tokens would lose most of each addend
    precision = torch.promote_types(hidden_BSD.dtype, torch.float32)
    # multiplying by the mask would let a NaN at a padded position through
    kept_BSD = hidden_BSD.to(precision).masked_fill(~token_BS.unsqueeze(-1), 0.0)
    pooled_BD = kept_BSD.sum(dim=1) / tokens_B.unsqueeze(-1)
    finite_B = pooled_BD.isfinite().all(dim=1)
    if not bool(finite_B.all()):
        raise ValueError(f"rows {_rows(~finite_B)} have hidden states that are not finite")
    return pooled_BD


def _rows(flag_B: Tensor) -> list[int]:
    return [int(row) for row in flag_B.nonzero().flatten()]
