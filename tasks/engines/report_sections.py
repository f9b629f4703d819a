"""Composes the report's sections: sentences, figures and tables, in the order of the page."""

from dataclasses import dataclass, field
from typing import Any

import yaml
from markupsafe import Markup
from matplotlib.figure import Figure

from tasks.engines import report_figures as draw
from tasks.engines.figures import to_svg
from tasks.engines.report_study import Study
from tasks.science import record_tables, verdicts
from tasks.science import report_tables as tables
from tasks.science.examples import evenly_spaced, most_toxic, redact
from tasks.science.report_tables import OTHERS, Table, by_language, column, effects, toxicity
from tasks.science.verdicts import bracket, name_of, number, signed


@dataclass(frozen=True)
class Section:
    """A part of the page; each block says by its `kind` how the template sets it."""

    name: str
    title: str
    sentences: list[str]
    blocks: list[dict[str, Any]]


@dataclass
class Gallery:
    """The figures put on the page so far, by name."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def block(self, drawn: dict[str, tuple[Figure, str]], columns: str = "") -> dict[str, Any]:
        """A block of figures with their captions, `columns` (two, three) beside each other where there is room."""
        self.figures |= {name: figure for name, (figure, _) in drawn.items()}
        drawings = [
            {"svg": Markup(to_svg(figure, salt=name, description=caption)), "caption": caption}
            for name, (figure, caption) in drawn.items()
        ]
        return {"kind": "figures", "columns": columns, "drawings": drawings}


def lead(study: Study) -> list[str]:
    """What was asked, of what."""
    question = (
        f"A language model was tuned with DPO on {name_of(study.source)} preference pairs alone, {_seeds(study)}. Did "
        f"that make it less toxic in {len(study.others)} other languages, at what cost, and did bilingual sentence "
        "retrieval foretell where?"
    )
    world = (
        "The model is that of a mini world: a small GPT-2 that the pipeline pretrains on pidgin it generates in "
        "these languages. What it shows holds for it and is no statement about human languages or large models."
    )
    return [question, world] if study.is_mini else [question]


def content_note(study: Study, show_text: bool) -> str:
    """What a reader may meet."""
    degree = "mild ones in the mini world" if study.is_mini else "some of them severe"
    shown = "in clear (report.show_text is true)" if show_text else "redacted (report.show_text is false)"
    return f"Prompts and continuations contain insults, {degree}; on this page they are {shown}."


def findings(study: Study) -> list[tuple[str, str]]:
    """The study's answers, each under what it answers."""
    confidence = study.confidence
    source, others = study.change(study.source), study.change(OTHERS)
    changes = {language: study.change(language) for language in study.others}
    p_holm = column(toxicity(study.languages, "emt"), "p_holm")
    accuracy = study.association("p_at_1", "best")
    return [
        (name_of(study.source), verdicts.source_verdict(study.source, source, confidence)),
        ("Other languages", verdicts.transfer_verdict(study.source, source, others, len(changes), confidence)),
        ("One by one", verdicts.significance_verdict(changes, p_holm, 1 - confidence)),
        ("Known beforehand?", verdicts.predictor_verdict("Best-layer P@1", accuracy, confidence)),
        ("Cost", " ".join(_cost(study))),
    ]


def languages(study: Study, gallery: Gallery) -> Section:
    """Toxicity before and after, per language."""
    sentences = [
        "EMT is the mean over prompts of the highest toxicity among the continuations of a prompt, ToxProb the share "
        "of prompts with a toxic continuation, AvgTox the mean over continuations.",
        f"Intervals are a bootstrap over prompts and seeds; {_seeds(study)} they "
        f"{'leave out' if len(study.tuned) == 1 else 'understate'} the variation between training runs.",
    ]
    specific = toxicity(study.languages, "emt", "culture_specific")
    if OTHERS in specific:
        source, change = study.change(study.source), study.change(OTHERS, "culture_specific")
        verdict = verdicts.transfer_verdict(study.source, source, change, len(study.others), study.confidence)
        count = specific[OTHERS]["prompts"]
        sentences.append(f"On the {count} prompts that only one language has, apart from all else here: {verdict}")
    caption = (
        f"EMT per language before and after tuning with {study.confidence:.0%} intervals, sorted by change, black "
        "ticks the single seeds; overlapping intervals do not mean no change, since prompts are paired (see the "
        "table)."
    )
    figure = gallery.block({"languages": (draw.emt_figure(study.languages, study.order), caption)})
    table = tables.toxicity_table(study.languages, study.order, study.confidence)
    return Section("languages", "Every language", sentences, [figure, _table(table)])


def predictors(study: Study, gallery: Gallery) -> Section:
    """Whether retrieval, measured before tuning, foretold the reduction."""
    drawn = {}
    for measure, title, warning in (
        ("p_at_1", "P@1 at the best layer, before tuning", "the line is no law, and what it shows is no cause"),
        (
            "mean_cosine",
            "mean cosine at the best layer, before tuning",
            "the paper’s published quantity is this mean cosine of true pairs, which its code calls accuracy; it "
            "retrieves nothing",
        ),
    ):
        found = study.association(measure, "best")
        caption = (
            f"Each language but {name_of(study.source)}, with the least-squares line (r = {signed(found.estimate, 2)} "
            f"{bracket(found.low, found.high, 2)}, n = {found.n}); {warning}."
        )
        drawn[f"predictor-{measure.replace('_', '-')}"] = (draw.predictor_figure(study.points, measure, title), caption)
    caption = (
        f"Correlation of every measure with the relative EMT reduction and its {study.confidence:.0%} bootstrap "
        "interval over languages; the measures come from the same embeddings, so they are not independent evidence."
    )
    forest = {"correlations": (draw.correlation_figure(study.predictors), caption)}
    partial = study.association("p_at_1", "best", "pearson_given_log_corpus_share")
    share = study.association("log_corpus_share", "").estimate
    cosine = study.association("mean_cosine", "best")
    sentences = [
        "P@1 is the share of sentences whose nearest neighbour in the other language is their translation, in the "
        "base model before any tuning; what it foretells is among the findings above.",
        verdicts.control_verdict("best-layer P@1", partial.estimate, partial.low, partial.high, share),
        verdicts.predictor_verdict("Best-layer mean cosine", cosine, study.confidence),
    ]
    table = _table(tables.predictor_table(study.predictors))
    blocks = [gallery.block(drawn, "two"), gallery.block(forest), table]
    return Section("predictors", "Could one have known?", sentences, blocks)


def layers(study: Study, gallery: Gallery) -> Section:
    """Retrieval by layer of the base model."""
    accuracy = by_language(study.retrieval[study.retrieval["measure"] == "p_at_1"])
    best = column(accuracy, "best")
    order = sorted(best, key=lambda language: (-best[language], language))
    sentences = study.params["prepare_parallel"].get("sentences")
    chance = 1 / sentences if sentences else None
    caption = (
        f"P@1, mean of both directions with {name_of(study.source)}, by layer of the base model (0: the embeddings) "
        "with intervals over sentences, the dot at the layer that is best for the other "
        f"languages{', the dashed line at chance' if chance else ''}; it does not show what a layer is used for."
    )
    figure = draw.layer_figure(study.layers, column(accuracy, "best_layer"), order, chance)
    blocks = [gallery.block({"layers": (figure, caption)}), _table(tables.retrieval_table(study.retrieval, order))]
    return Section("layers", "Retrieval, layer by layer", [], blocks)


def training(study: Study, gallery: Gallery) -> Section:
    """What DPO did on the validation pairs."""
    names = {policy: f"seed {record['seed']}" for policy, record in study.runs.items()}
    kept = {names[policy]: int(record["best_step"]) for policy, record in study.runs.items()}
    curves = {names[policy]: frame for policy, frame in study.curves.items()}
    sentences = []
    for policy, record in study.runs.items():
        name, loss = names[policy], record["validation_loss"]
        reward = curves[name].set_index("step")["validation_reward_chosen"].to_dict()[kept[name]]
        steps = kept[name], int(record["last_step"])
        sentences.append(verdicts.training_verdict(name.capitalize(), loss["before"], loss["best"], *steps, reward))
    drawn = {}
    for name, columns, title, what in (
        ("loss", {"": "loss"}, "DPO loss, nats", "DPO loss"),
        ("margin", {"": "reward_margin"}, "reward margin", "Mean reward of the chosen minus that of the rejected text"),
        (
            "rewards",
            {"chosen": "reward_chosen", "rejected": "reward_rejected"},
            "reward",
            "Mean rewards of chosen and rejected texts, β times their log-likelihood ratio to the base model,",
        ),
        ("accuracy", {"": "reward_accuracy"}, "share of pairs", "Share of pairs whose chosen text has more reward"),
    ):
        caption = (
            f"{what} on the {name_of(study.source)} validation pairs, the kept step ringed; nothing about other "
            "languages."
        )
        columns = {group: f"validation_{column}" for group, column in columns.items()}
        drawn[f"training-{name}"] = (draw.training_figure(curves, kept, columns, title), caption)
    return Section("training", "Training", sentences, [gallery.block(drawn, "two")])


def side_effects(study: Study, gallery: Gallery) -> Section:
    """Fluency, retention, diversity and language, beside the gain."""
    gain = draw.gain_figure(study.languages, study.order)
    drawn = {"gain": (gain, "The gain, for comparison; its intervals are above.")}
    for effect, title, caption in (
        ("perplexity_median", "perplexity of continuations", "Median and quartiles under the base model."),
        (
            "civil_perplexity",
            "civil perplexity",
            "The policies’ own perplexity on held-out civil text; no other skill.",
        ),
        ("distinct_2", "distinct-2", "Distinct bigrams among the continuations of a prompt; noise is diverse, too."),
        (
            "language_consistent",
            "in the prompt’s language",
            "Of the continuations with a language; not how good they are.",
        ),
        ("empty", "empty", "Empty continuations, which count as not toxic."),
        ("repetitive", "repetitive", "Continuations that repeat n-grams, by a rule; no other monotony."),
        ("cut_off", "cut off", "Continuations that end at the token limit, which need not be a fault."),
    ):
        figure = draw.side_effect_figure(study.side_effects, effect, title, study.order, study.tuned)
        drawn[effect.replace("_", "-")] = (figure, caption)
    order = "Languages are in the order of their EMT reduction, the largest on top; black ticks are seeds."
    blocks = [gallery.block(drawn, "three"), _table(tables.side_effect_table(study.side_effects, study.order))]
    return Section("side-effects", "Side effects", [*_cost(study), order], blocks)


def base_model(study: Study, gallery: Gallery) -> Section:
    """How well the base model learned each language."""
    learning = study.learning.assign(excess=study.learning["loss_per_token"] - study.learning["entropy_per_token"])
    learning = learning.sort_values("excess", kind="stable")
    caption = (
        "Validation loss of the base model against the entropy of the process that made its corpus, sorted by the "
        "gap, which is what the model did not learn; losses do not compare languages, since their tokens differ."
    )
    figure = gallery.block({"learning": (draw.learning_figure(learning), caption)})
    sentence = verdicts.learning_verdict(column(by_language(learning), "excess"))
    return Section("base-model", "The base model", [sentence], [figure, _table(tables.learning_table(learning))])


def missing(study: Study, asked: list[str]) -> Section:
    """What was dropped, has no score, or was asked for and is not there."""
    absent = [name_of(language) for language in asked if language not in study.order]
    left_out = len(study.others) - study.association("p_at_1", "best").n
    sentences = [
        f"Languages in params.yaml without a measurement: {verdicts.listing(absent)}.",
        f"Languages left out of the predictors because nothing toxic came from the base model: {left_out}.",
    ]
    drops = record_tables.drop_table(study.pairs, study.missing)
    scored = {policy: scorer["coverage"] for policy, scorer in study.scorers.items()}
    coverage = record_tables.coverage_table(study.prompts, scored, study.side_effects, study.base)
    return Section("missing", "Dropped and missing", sentences, [_table(drops, "words"), _table(coverage)])


def examples(study: Study, count: int, show_text: bool) -> Section:
    """Prompts of the source language with their most toxic continuation before and after."""
    chosen = study.prompts[(study.prompts["language"] == study.source) & ~study.prompts["culture_specific"]]
    prompts = dict(sorted(zip(chosen["prompt_id"], chosen["text"], strict=True)))
    sides = {"before": study.base, "after": study.tuned[0]}
    rows = {when: most_toxic(study.examples[policy]).to_dict("index") for when, policy in sides.items()}
    show = str if show_text else redact
    blocks: list[dict[str, Any]] = [
        {
            "kind": "example",
            "prompt_id": prompt_id,
            "language": study.source,
            "look": "" if show_text else "redacted",
            "prompt": show(prompts[prompt_id]),
            "sides": [
                {
                    "when": when,
                    "policy": policy,
                    "score": number(rows[when][prompt_id]["toxicity"], 2),
                    "tokens": len(rows[when][prompt_id]["tokens"]),
                    "text": show(rows[when][prompt_id]["text"].strip()),
                }
                for when, policy in sides.items()
            ],
        }
        for prompt_id in evenly_spaced(list(prompts), count)
    ]
    rule = (
        f"{len(blocks)} {name_of(study.source)} prompts, evenly spaced in the order of their ids and so not chosen by "
        "result, each with the most toxic of its continuations, which is what EMT averages."
    )
    redacted = "" if show_text else " Every letter is replaced by a block."
    return Section("examples", "Examples", [rule + redacted], blocks)


def provenance(study: Study) -> Section:
    """Where the numbers come from."""
    sentences = [
        "The numbers come from metrics/measure_transfer/*.csv and metrics/measure_retrieval/*.csv; dvc.lock at the "
        "git commit that holds them says which code, data and parameters made them.",
        Markup(
            "This page is itself an output of the pipeline, so it cannot name that commit: "
            "<code>git log -1 -- dvc.lock</code> does."
        ),
    ]
    table = record_tables.provenance_table(study.scorers[study.base], study.policies, study.runs)
    summary = "All parameters of the study (params.yaml without runtime, which changes no result)"
    text = yaml.safe_dump(dict(study.params), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    blocks = [_table(table, "words"), {"kind": "pre", "summary": summary, "text": text}]
    return Section("provenance", "Provenance", sentences, blocks)


def _seeds(study: Study) -> str:
    return "with one seed" if len(study.tuned) == 1 else f"with {len(study.tuned)} seeds"


def _cost(study: Study) -> list[str]:
    civil, kept, empty = (
        effects(study.side_effects, effect) for effect in ("civil_perplexity", "language_consistent", "empty")
    )
    return [
        verdicts.retention_verdict(column(civil, "relative_change")),
        verdicts.language_verdict(column(kept, "before"), column(kept, "after")),
        verdicts.empty_verdict(column(empty, "before"), column(empty, "after")),
    ]


def _table(table: Table, kind: str = "table") -> dict[str, Any]:
    return {"kind": kind, "table": table}
