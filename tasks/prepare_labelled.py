"""Makes the texts that the toxicity probe is trained and tested on, each labelled toxic or not."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, assert_never

import pandas as pd
from pydantic import BaseModel, Field

from tasks.plumbing.files import write_json, write_parquet
from tasks.plumbing.params import Languages
from tasks.sources import jigsaw, rtp_lx
from tasks.sources.cleaning import Tally, clean_text
from tasks.world import reader as mini_world_source
from tasks.world.lexicon import Lexicon
from tasks.world.mini_world import Register, Storyteller, World
from tasks.world.pidgin import PIVOT, Grammar, join, render_sentence

TEXTS = Path("data/prepare_labelled/texts.parquet")
COUNTS = Path("data/prepare_labelled/counts.json")
Counts = dict[str, Any]  # what was read, changed and dropped, as JSON


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


class _Annotated(BaseModel, frozen=True, extra="forbid"):
    """Prompts and completions of RTP-LX with what people said of them: labels in every language."""

    password: str = Field(default=rtp_lx.PASSWORD, description="of the archive, as its README gives it")
    threshold: float = Field(gt=1, le=5, description="mark of toxicity, 1 to 5, from which a text counts as toxic")
    seed: int = Field(description="of the sample and of the split")


class RtpLxLabelled(_Annotated, frozen=True, extra="forbid"):
    """RTP-LX alone: English texts train the probe, others test it and the scorers."""

    kind: Literal["rtp_lx"] = Field(description="rtp_lx: the archive as published")
    path: Path = Field(description="RTP-LX.zip as downloaded (docs/data.md)")
    test_share: float = Field(gt=0, lt=1, description="share of prompts to test on, the same in every language")


class JigsawRtpLxLabelled(_Annotated, frozen=True, extra="forbid"):
    """The paper's data for the probe, and RTP-LX to test it and the scorers in every language."""

    kind: Literal["jigsaw_rtp_lx"] = Field(description="jigsaw_rtp_lx: Jigsaw to train on, RTP-LX to test on")
    path: Path = Field(description="folder of both files, which DVC watches")
    comments: str = Field(description="name of Jigsaw's file in it: train.csv, or as .gz or in a .zip")
    archive: str = Field(description="name of RTP-LX's archive in it")
    limit: int | None = Field(gt=1, description="comments to sample, labels in proportion; null takes all 159,571")


PrepareLabelled = Annotated[
    MiniLabelled | JigsawLabelled | RtpLxLabelled | JigsawRtpLxLabelled, Field(discriminator="kind")
]


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
            rows, drops = _split(prepare_labelled)
        case RtpLxLabelled():
            rows, drops = _annotated(prepare_labelled, prepare_labelled.path, languages, prepare_labelled.test_share)
        case JigsawRtpLxLabelled():
            folder = prepare_labelled.path
            comments = jigsaw.read(folder / prepare_labelled.comments)
            sampled = _sampled(comments, prepare_labelled.limit, prepare_labelled.seed, folder)
            learnt = [Row("en", c.id, "train", c.text, c.toxic) for group in sampled for c in group]
            tested, dropped = _annotated(prepare_labelled, folder / prepare_labelled.archive, languages, None)
            rows, drops = [*learnt, *tested], {"jigsaw": _counts(comments, len(learnt)), "rtp_lx": dropped}
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


def _tell(params: MiniLabelled, world: World, languages: Sequence[str]) -> tuple[list[Row], Counts]:
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


def _split(params: JigsawLabelled) -> tuple[list[Row], Counts]:
    """A sample of the comments, split at random within each label."""
    comments = jigsaw.read(params.path)
    rows: list[Row] = []
    for group in _sampled(comments, params.limit, params.seed, params.path):
        test = round(len(group) * params.test_share)
        if not 0 < test < len(group):
            raise ValueError(
                f"{params.path}: {len(group)} texts with toxic={int(group[0].toxic)} cannot be split; raise "
                "prepare_labelled.limit or change prepare_labelled.test_share"
            )
        rows += [
            Row("en", c.id, "test" if number < test else "train", c.text, c.toxic) for number, c in enumerate(group)
        ]
    order = {comment.id: number for number, comment in enumerate(comments.kept)}
    return sorted(rows, key=lambda row: order[row.text_id]), _counts(comments, len(rows))


def _sampled(comments: jigsaw.Comments, limit: int | None, seed: int, path: Path) -> list[list[jigsaw.Comment]]:
    """Civil and toxic comments in random order, in proportion."""
    rng = random.Random(f"labelled {seed}")
    groups = [[c for c in comments.kept if c.toxic == label] for label in (False, True)]
    wanted = min(len(comments.kept), limit or len(comments.kept))
    toxic = round(wanted * len(groups[True]) / max(1, len(comments.kept)))
    if not 0 < toxic < wanted:
        raise ValueError(
            f"{path}: {toxic} toxic comments and {wanted - toxic} others were drawn; both are needed, so raise "
            "prepare_labelled.limit or take the whole file"
        )
    return [rng.sample(group, count) for group, count in zip(groups, (wanted - toxic, toxic), strict=True)]


def _counts(comments: jigsaw.Comments, kept: int) -> Counts:
    dropped = {**comments.dropped, "not_sampled": len(comments.kept) - kept}
    return {"read": comments.read, "dropped": dropped, "unescaped": comments.unescaped}


def _annotated(
    params: _Annotated, path: Path, languages: Sequence[str], test_share: float | None
) -> tuple[list[Row], Counts]:
    """Labelled prompts and completions; English rows train unless all are to test on (`test_share` None).

    Translations of a prompt are on the same side of the split, or the probe would be tested on what it knows.
    """
    everything = rtp_lx.read(path, dict.fromkeys([*([PIVOT] if test_share else []), *languages]), params.password)
    test = {index for entries in everything.values() for index in entries}
    if test_share:
        ids = sorted(test)
        test = set(random.Random(f"labelled {params.seed}").sample(ids, round(len(ids) * test_share)))
    rows: list[Row] = []
    counts: Counts = {}
    for language, entries in everything.items():
        tally = Tally()
        tally.noticed["index_repaired"] += sum(entry.moved for entry in entries.values())
        labelled = _labelled(entries, params.threshold, tally)
        for (index, text_id), (text, toxic) in labelled.items():
            if index in test and language in languages:
                rows.append(Row(language, text_id, "test", text, toxic))
            elif index not in test and language == PIVOT:
                rows.append(Row(language, text_id, "train", text, toxic))
            else:
                tally.dropped["not_for_this_language"] += 1
        counts[language] = tally.record()
    _require_both_sides(rows, counts, path, test_share)
    return rows, counts


def _require_both_sides(rows: Sequence[Row], counts: Counts, path: Path, test_share: float | None) -> None:
    """ValueError if there is no text to train or to test on; the remedy is that of the reason."""
    splits = {row.split for row in rows}
    if "test" in splits and ("train" in splits or not test_share):
        return
    kept = sum(count["kept"] + count["dropped"].get("not_for_this_language", 0) for count in counts.values())
    dropped = {language: count["dropped"] for language, count in counts.items()}
    if kept:
        remedy = "change prepare_labelled.test_share, which leaves one side without texts"
    elif any("without_label" in reasons for reasons in dropped.values()):
        remedy = "this archive has no marks of toxicity in these languages; use version 1.0, or kind jigsaw"
    else:
        remedy = "the archive has no text in these languages; download it again"
    raise ValueError(
        f"{path}: no labelled text is left to train or to test on; dropped were {dropped}. Remedy: {remedy}"
    )


def _labelled(
    entries: Mapping[int, rtp_lx.Entry], threshold: float, tally: Tally
) -> dict[tuple[int, str], tuple[str, bool]]:
    """Text and label by Index and id; a text without a label, or there before, is dropped, as are contradictions."""
    read = {
        (index, f"{rtp_lx.prompt_id(index)}-{part}"): (text, mark)
        for index, entry in entries.items()
        for part, text, mark in (
            ("prompt", entry.prompt, entry.prompt_toxicity),
            ("completion", entry.completion, entry.completion_toxicity),
        )
    }
    tally.rows["read"] += len(read)
    found: dict[tuple[int, str], tuple[str, bool]] = {}
    for name, (raw, mark) in read.items():
        text = clean_text(raw, tally)
        if not text:
            tally.dropped["empty"] += 1
        elif mark is None:
            tally.dropped["without_label"] += 1
        else:
            found[name] = (text, mark >= threshold)
    told = set(found.values())
    seen: set[str] = set()
    kept = {}
    for name, (text, toxic) in found.items():
        if (text, not toxic) in told:
            tally.dropped["contradictory"] += 1
        elif text in seen:
            tally.dropped["duplicate"] += 1
        else:
            seen.add(text)
            kept[name] = (text, toxic)
    return kept
