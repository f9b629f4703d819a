"""What can be said in params.yaml about how a policy is tuned: the method, its loss, and which weights change.

Pure: no files, clock, network or globals.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

# Losses of TRL's DPOTrainer that take label smoothing; the others ignore it silently.
_SMOOTHED = {"robust", "exo_pair", "aot", "aot_unpaired"}


class Full(BaseModel, frozen=True, extra="forbid"):
    """Every weight is trained, in fp32."""

    kind: Literal["full"]


class _Adapter(BaseModel, frozen=True, extra="forbid"):
    r: int = Field(gt=0, description="rank of the update of a weight matrix; paper sec. 3: 64")
    alpha: float = Field(gt=0, description="the update is scaled by alpha / r; paper sec. 3: 16")
    dropout: float = Field(ge=0, lt=1, description="on the input of the update while training; paper sec. 3: .05")
    targets: list[str] | Literal["all-linear"] = Field(
        description="last parts of the names of the matrices to adapt; all-linear: every one but embeddings and lm_head"
    )
    merge_tolerance: float = Field(
        gt=0,
        description="largest absolute difference of a logit between the trained, the merged and the reloaded model",
    )


class Lora(_Adapter, frozen=True, extra="forbid"):
    """Low-rank updates (Hu et al. 2022), merged into the weights afterwards."""

    kind: Literal["lora"]
    base_dtype: Literal["float32", "bfloat16"] = Field(description="of the frozen weights, and of the merged ones")


class Qlora(_Adapter, frozen=True, extra="forbid"):
    """Low-rank updates of weights in 4 bits (Dettmers et al. 2023): NF4, double quantisation, bf16 arithmetic.

    Merged into the dequantised weights, that is those that were trained on. Needs a CUDA GPU and bitsandbytes.
    """

    kind: Literal["qlora"]


Tuning = Annotated[Full | Lora | Qlora, Field(discriminator="kind")]


class _Training(BaseModel, frozen=True, extra="forbid"):
    """What every method needs. Sources: the paper's Table 6 unless a line says otherwise."""

    tuning: Tuning
    optimiser: Literal["rmsprop", "adamw_torch", "adafactor", "paged_adamw_8bit"] = Field(
        description="paper: rmsprop; paged_adamw_8bit needs bitsandbytes"
    )
    schedule: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        description="of the learning rate after warm-up"
    )
    learning_rate: float = Field(gt=0, description="after warm-up; paper 1e-5")
    batch: int = Field(gt=0, description="pairs per step; paper 4")
    accumulation: int = Field(gt=0, description="batches per optimiser step; paper 1")
    epochs: int = Field(gt=0, description="at most; paper 5")
    warmup_steps: int = Field(ge=0, description="steps of linearly rising rate; Lee et al. 2024: 150")
    max_grad_norm: float = Field(gt=0, description="gradients are scaled down to this norm; paper 10")
    evaluate_every: int = Field(gt=0, description="steps between validations; paper's code 25")
    patience: int = Field(gt=0, description="validations without improvement before stopping; paper 10")
    min_improvement: float = Field(ge=0, description="fall of the validation loss that counts as improvement, in nats")
    end_completions: bool = Field(
        description="train on an end-of-text token after each completion; false for fragments"
    )


class Dpo(_Training, frozen=True, extra="forbid"):
    """DPO (Rafailov et al. 2023) and its relatives, on sums of token log-probabilities against the base model."""

    method: Literal["dpo"]
    loss: Literal[
        "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
        "apo_zero", "apo_down", "discopop", "sigmoid_norm",
    ] = Field(description="of TRL's DPOTrainer; sigmoid is DPO as published")  # fmt: skip
    beta: float = Field(gt=0, description="strength of the pull towards the reference model; tau of IPO")
    label_smoothing: float = Field(ge=0, lt=0.5, description="probability that a preference is the wrong way round")

    @model_validator(mode="after")
    def _smoothing_is_used(self) -> "Dpo":
        if self.label_smoothing and self.loss not in _SMOOTHED:
            raise ValueError(
                f"label_smoothing has no effect on loss {self.loss!r}; set it to 0, or take one of "
                f"{', '.join(sorted(_SMOOTHED))}"
            )
        if self.loss == "exo_pair" and not self.label_smoothing:
            raise ValueError("loss exo_pair is undefined without label_smoothing; its paper recommends 0.001")
        return self


class Kto(_Training, frozen=True, extra="forbid"):
    """KTO (Ethayarajh et al. 2024): each completion by itself, desirable or not.

    A batch of n pairs is 2n completions. They are shuffled once, by the seed: TRL pairs each with its neighbour to
    estimate the divergence, so their order must then stay.
    """

    method: Literal["kto"]
    loss: Literal["kto", "apo_zero_unpaired"] = Field(description="of TRL's KTOTrainer")
    beta: float = Field(gt=0, description="strength of the pull towards the reference model")
    desirable_weight: float = Field(gt=0, description="of chosen completions in the loss")
    undesirable_weight: float = Field(gt=0, description="of rejected completions in the loss")


class Orpo(_Training, frozen=True, extra="forbid"):
    """ORPO (Hong et al. 2024): likelihood of prompt and chosen plus log odds ratio, without a reference model."""

    method: Literal["orpo"]
    beta: float = Field(gt=0, description="weight of the odds ratio, lambda in the paper")


class Cpo(_Training, frozen=True, extra="forbid"):
    """CPO (Xu et al. 2024): a preference loss without a reference model, plus likelihood of chosen."""

    method: Literal["cpo"]
    loss: Literal["sigmoid", "hinge", "ipo"] = Field(description="of TRL's CPOTrainer")
    beta: float = Field(gt=0, description="scale of the difference of log-probabilities")
    chosen_weight: float = Field(ge=0, description="weight of the likelihood of chosen; CPO paper 1")


class Simpo(_Training, frozen=True, extra="forbid"):
    """SimPO (Meng et al. 2024): mean log-probabilities, a target margin, no reference model."""

    method: Literal["simpo"]
    beta: float = Field(gt=0, description="scale of the difference of mean log-probabilities")
    gamma: float = Field(ge=0, description="target margin between chosen and rejected, in rewards")


class Sft(_Training, frozen=True, extra="forbid"):
    """Supervised tuning on the chosen completions alone; prompts do not count. The baseline that the paper lacks."""

    method: Literal["sft"]


Recipe = Annotated[Dpo | Kto | Orpo | Cpo | Simpo | Sft, Field(discriminator="method")]
