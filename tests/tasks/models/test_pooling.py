"""Mean pooling over the tokens that are not padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.models.pooling import mean_pool


def test_mean_by_hand() -> None:
    """Tokens (1, 2) and (3, 6) have the mean (2, 4), whatever the padding holds."""
    hidden_BSD = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [99.0, float("nan")]]])
    pooled_BD = mean_pool(hidden_BSD, torch.tensor([[1, 1, 0]]))
    assert pooled_BD.tolist() == [[2.0, 4.0]]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    left=st.integers(0, 4),
    right=st.integers(0, 4),
    seed=st.integers(0, 2**32),
)
def test_padding_changes_nothing(lengths: list[int], left: int, right: int, seed: int) -> None:
    """A sentence in a padded batch has the mean of its own tokens, on either side of padding."""
    generator = torch.Generator().manual_seed(seed)
    width = left + max(lengths) + right
    hidden_BSD = torch.randn(len(lengths), width, 3, generator=generator, dtype=torch.float64) * 1e3
    mask_BS = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in enumerate(lengths):
        mask_BS[row, left : left + length] = 1
    pooled_BD = mean_pool(hidden_BSD, mask_BS)
    for row, length in enumerate(lengths):
        alone_D = hidden_BSD[row, left : left + length].mean(dim=0)
        torch.testing.assert_close(pooled_BD[row], alone_D)


def test_bfloat16_is_summed_in_float32() -> None:
    """In bfloat16 256 + 1 is 256, so a sum of 256 and 255 ones would stay at 256, not 511."""
    hidden_BSD = torch.ones(1, 256, 1, dtype=torch.bfloat16)
    hidden_BSD[0, 0, 0] = 256
    pooled_BD = mean_pool(hidden_BSD, torch.ones(1, 256))
    assert pooled_BD.dtype == torch.float32
    assert pooled_BD.item() == 511 / 256


def test_fully_masked_row_is_refused() -> None:
    """A sentence without tokens has no embedding."""
    with pytest.raises(ValueError, match=r"rows \[1\] are fully masked"):
        mean_pool(torch.ones(2, 2, 1), torch.tensor([[1, 0], [0, 0]]))


def test_odd_inputs_are_refused() -> None:
    """Shapes that disagree, an additive mask, and a token that is not finite."""
    with pytest.raises(ValueError, match=r"\(B, S, D\)"):
        mean_pool(torch.ones(2, 2, 1), torch.ones(2, 3))
    with pytest.raises(ValueError, match="other than 0 and 1"):
        mean_pool(torch.ones(1, 2, 1), torch.tensor([[1.0, -1e9]]))
    with pytest.raises(ValueError, match=r"rows \[0\] have hidden states"):
        mean_pool(torch.tensor([[[float("inf")], [1.0]]]), torch.ones(1, 2))
