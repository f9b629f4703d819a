"""Makes the texts that the toxicity probe is trained and tested on, each labelled toxic or not."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, assert_never

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines import jigsaw, mini_world_source
from tasks.plumbing.files import write_json, write_parquet
from tasks.plumbing.params import Languages
from tasks.science.lexicon import Lexicon
from tasks.science.mini_world import Register, Storyteller, World
from tasks.science.pidgin import PIVOT, Grammar, join, render_sentence

TEXTS = Path("data/prepare_labelled/texts.parquet")
COUNTS = Path("data/prepare_labelled/counts.json")


class MiniLabelled(BaseModel, frozen=True, extra="forbid"):
    """Whole documents of the mini world about what was never pretrained on, tuned on or prompted with."""

    kind: Literal["mini"] = Field(description="mini: documents of the part `parallel`, toxic if they hold an insult")
    path: Path = Field(description="folder of the lexicon and the grammars")
    seed: int = Field(description="of the documents")
    train: int = Field(gt=0, description="English texts to train on")
    test: int = Field(gt=0, description="texts to test on, each in every language")
    hostile: float = Field(ge=0, le=1, description="share of documents in the hostile register")


class JigsawLabelled(BaseModel, frozen=True, extra="forbid"):
    """English comments of Wikipedia's talk pages, the probe data of Lee et al. 2024 and of the paper."""

    kind: Literal["jigsaw"] = Field(description="jigsaw: train.csv of the Jigsaw challenge, its column `toxic`")
    path: Path = Field(description="train.csv as published, or that file as .gz or in a .zip")
    seed: int = Field(description="of the sample and of the split")
    test_share: float = Field(gt=0, lt=1, description="share of texts to test on, equal per label; the paper has 0.1")
    limit: int | None = Field(gt=1, description="texts to sample, labels in proportion; null takes all 159,571")


PrepareLabelled = Annotated[MiniLabelled | JigsawLabelled, Field(discriminator="kind")]


class Row(NamedTuple):
    """One labelled text; `text_id` is shared by the translations of a text."""

    language: str
    text_id: str
    split: Literal["train", "test"]
    text: str
    toxic: bool


def run(prepare_labelled: PrepareLabelled, mini_world: World, languages: Languages) -> str:
    """Writes the texts, no text twice within a language, and how many were dropped, why."""
    match prepare_labelled:
        case MiniLabelled():
            rows, drops = _tell(prepare_labelled, mini_world, languages)
        case JigsawLabelled():
            rows, drops = _read(prepare_labelled)
        case _:
            assert_never(prepare_labelled)
    frame = pd.DataFrame(rows, columns=Row._fields)
    write_parquet(TEXTS, frame)
    labels = frame.groupby(["split", "language"])["toxic"].agg(["size", "sum"])
    kept: dict[str, dict[str, dict[str, int]]] = {"train": {}, "test": {}}
    for (split, language), (texts, toxic) in zip(labels.index, labels.to_numpy().tolist(), strict=True):
        kept[split][language] = {"texts": texts, "toxic": toxic}
    write_json(COUNTS, {**drops, "kept": kept})
    train = frame["split"] == "train"
    return (
        f"{TEXTS}: {train.sum()} texts to train on, {frame['toxic'][train].mean():.0%} toxic; {(~train).sum()} to test "
        f"on, in {frame['language'].nunique()} languages"
    )


def _tell(
    params: MiniLabelled, world: World, languages: Sequence[str]
) -> tuple[list[Row], dict[str, int | dict[str, int]]]:
    """English texts to train on, and others to test on in every language.

    The test texts are drawn first and from a generator of their own: more training texts leave them as they are.
    """
    lexicon, grammars = mini_world_source.load(params.path)
    lexicon.require([PIVOT, *languages])
    writer = _Writer(Storyteller(world, lexicon), grammars, params)
    test = writer.texts("test", languages, params.test)
    train = writer.texts("train", [PIVOT], params.train)
    return [*train, *test], {"read": writer.drawn, "dropped": dict(writer.dropped)}


class _Writer:
    """Draws documents, never two with the same text in a language."""

    def __init__(self, teller: Storyteller, grammars: Mapping[str, Grammar], params: MiniLabelled) -> None:
        self._teller = teller
        self._lexicon: Lexicon = teller.lexicon
        self._grammars = grammars
        self._params = params
        self._seen: set[tuple[str, str]] = set()
        self.drawn = 0
        # A translation whose words also spell an insult, or hide one, would carry another label than its original.
        self.dropped = Counter({"duplicate": 0, "label_differs_between_languages": 0})

    def texts(self, split: Literal["train", "test"], languages: Sequence[str], count: int) -> list[Row]:
        """`count` documents in each of the languages; ValueError if the world has not that many."""
        rng = random.Random(f"labelled {split} {self._params.seed}")
        rows: list[Row] = []
        for _ in range(100 * count):
            number = len(rows) // len(languages)
            if number == count:
                return rows
            register: Register = "hostile" if rng.random() < self._params.hostile else "civil"
            told = self._teller.document(PIVOT, "parallel", rng, register=register).sentences
            texts = {
                language: join(
                    [(language, render_sentence(s, language, self._lexicon, self._grammars[language])) for s in told],
                    self._grammars,
                )
                for language in languages
            }
            labels = {bool(self._lexicon.insults(language, text)) for language, text in texts.items()}
            self.drawn += 1
            if any(text in self._seen for text in texts.items()):
                self.dropped["duplicate"] += 1
            elif len(labels) > 1:
                self.dropped["label_differs_between_languages"] += 1
            else:
                self._seen.update(texts.items())
                toxic = labels.pop()
                rows += [Row(language, f"{split}-{number:05d}", split, text, toxic) for language, text in texts.items()]
        raise ValueError(
            f"prepare_labelled: only {len(rows) // len(languages)} distinct documents to {split} on; lower "
            f"prepare_labelled.{split} or raise mini_world.held_out.parallel"
        )


def _read(params: JigsawLabelled) -> tuple[list[Row], dict[str, int | dict[str, int]]]:
    """A sample of the comments, split at random within each label."""
    comments = jigsaw.read(params.path)
    rng = random.Random(f"labelled {params.seed}")
    groups = {label: [c for c in comments.kept if c.toxic == label] for label in (False, True)}
    wanted = min(len(comments.kept), params.limit or len(comments.kept))
    toxic = round(wanted * len(groups[True]) / max(1, len(comments.kept)))
    split: dict[str, Literal["train", "test"]] = {}
    for label, count in ((False, wanted - toxic), (True, toxic)):
        test = round(count * params.test_share)
        if not 0 < test < count:
            raise ValueError(
                f"{params.path}: {count} texts with toxic={int(label)} cannot be split; raise prepare_labelled.limit "
                "or change prepare_labelled.test_share"
            )
        sample = rng.sample(groups[label], count)
        split |= {comment.id: "test" if number < test else "train" for number, comment in enumerate(sample)}
    rows = [Row("en", c.id, split[c.id], c.text, c.toxic) for c in comments.kept if c.id in split]
    dropped = {**comments.dropped, "not_sampled": len(comments.kept) - len(rows)}
    return rows, {"read": comments.read, "dropped": dropped, "unescaped": comments.unescaped}
