"""Composes the report's results: sentences, figures and tables, in the order of the page."""

import math

from matplotlib.figure import Figure

from tasks.reporting import report_figures as draw
from tasks.reporting import report_tables as tables
from tasks.reporting import verdicts
from tasks.reporting.report_blocks import Gallery, Section, table_block
from tasks.reporting.report_rows import OTHERS, by_language, column, effects, excess, toxicity
from tasks.reporting.report_scorers import doubts
from tasks.reporting.report_study import Study
from tasks.reporting.sourced import Record
from tasks.reporting.wording import Text, bracket, count, join, listing, name_of, say, signed


def lead(study: Study) -> list[str | Text]:
    """What was asked, of what."""
    question = say(
        _tuning(study),
        count(study.languages.total(len(study.others))),
        " other languages, at what cost, and did bilingual sentence retrieval foretell where?",
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


def findings(study: Study) -> list[tuple[str, Text]]:
    """The study's answers, each under what it answers."""
    confidence = study.confidence
    source, others = study.change(study.source), study.change(OTHERS)
    changes = {language: study.change(language) for language in study.others}
    number = study.languages.total(len(changes))
    p_holm = column(toxicity(study.languages, "emt"), "p_holm")
    accuracy = study.association("p_at_1", "best")
    return [
        (name_of(study.source), verdicts.source_verdict(study.source, source, confidence)),
        ("Other languages", verdicts.transfer_verdict(study.source, source, others, number, confidence)),
        ("One by one", verdicts.significance_verdict(changes, p_holm, 1 - confidence)),
        ("Known beforehand?", verdicts.predictor_verdict("Best-layer P@1", accuracy, confidence)),
        ("Cost", join(" ", _cost(study))),
    ]


def languages(study: Study, gallery: Gallery) -> Section:
    """Toxicity before and after, per language."""
    sentences: list[str | Text] = [
        "EMT is the mean over prompts of the highest toxicity among the continuations of a prompt, ToxProb the share "
        "of prompts with a toxic continuation, AvgTox the mean over continuations.",
        f"Intervals are a bootstrap over prompts and {study.replicates}; {study.with_replicates} they "
        f"{'leave out' if len(study.tuned) == 1 else 'understate'} the variation between training runs.",
    ]
    specific = toxicity(study.languages, "emt", "culture_specific")
    if OTHERS in specific:
        source, change = study.change(study.source), study.change(OTHERS, "culture_specific")
        number, prompts = study.languages.total(len(study.others)), count(specific[OTHERS]["prompts"])
        verdict = verdicts.transfer_verdict(study.source, source, change, number, study.confidence)
        which = say("On the ", prompts, " prompts that only one language has, apart from all else here: ")
        sentences.append(say(which, verdict))
    sentences += doubts(study)
    caption = (
        f"EMT per language before and after tuning with {study.confidence:.0%} intervals, sorted by change, black "
        f"ticks the single {study.replicates}; overlapping intervals do not mean no change, since prompts are paired "
        "(see the table)."
    )
    figure = gallery.block({"languages": (draw.emt_figure(study.languages, study.order, study.marks), caption)})
    table = tables.toxicity_table(study.languages, study.order, study.confidence, study.replicates, study.marks)
    return Section("languages", "Every language", sentences, [figure, table_block(table)])


def predictors(study: Study, gallery: Gallery) -> Section:
    """Whether retrieval, measured before tuning, foretold the reduction."""
    drawn: dict[str, tuple[Figure, str | Text]] = {}
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
        caption = say(
            f"Each language but {study.pairs_in}, with the least-squares line (r = ",
            signed(found.estimate, 2),
            " ",
            bracket(found.low, found.high, 2),
            ", n = ",
            count(found.n),
            f"); {warning}.",
        )
        drawn[f"predictor-{measure.replace('_', '-')}"] = (draw.predictor_figure(study.points, measure, title), caption)
    about_all = (
        f"Correlation of every measure with the relative EMT reduction and its {study.confidence:.0%} bootstrap "
        "interval over languages; the measures come from the same embeddings, so they are not independent evidence."
    )
    forest = {"correlations": (draw.correlation_figure(study.predictors), about_all)}
    partial = study.association("p_at_1", "best", "pearson_given_log_corpus_share")
    share = study.association("log_corpus_share", "").estimate
    cosine = study.association("mean_cosine", "best")
    sentences: list[str | Text] = [
        "P@1 is the share of sentences whose nearest neighbour in the other language is their translation, in the "
        "base model before any tuning; what it foretells is among the findings above.",
        verdicts.control_verdict("best-layer P@1", partial.estimate, partial.low, partial.high, share, partial.note),
        verdicts.predictor_verdict("Best-layer mean cosine", cosine, study.confidence),
    ]
    table = table_block(tables.predictor_table(study.predictors))
    blocks = [gallery.block(drawn, "two"), gallery.block(forest), table]
    return Section("predictors", "Could one have known?", sentences, blocks)


def layers(study: Study, gallery: Gallery) -> Section:
    """Retrieval by layer of the base model."""
    accuracy = by_language(study.retrieval.where(measure="p_at_1"))
    best = column(accuracy, "best")
    order = sorted(best, key=lambda language: (-best[language], language))
    asked = study.params["prepare_parallel"]
    candidates = asked.get("sentences") or asked.get("limit")
    chance = 1 / candidates if candidates else None
    caption = (
        f"P@1, mean of both directions with {name_of(study.source)}, by layer of the base model (0: the embeddings) "
        "with intervals over sentences, the dot at the layer that is best for the other "
        f"languages{', the dashed line at chance' if chance else ''}; it does not show what a layer is used for."
    )
    figure = draw.layer_figure(study.layers, column(accuracy, "best_layer"), order, chance)
    blocks = [gallery.block({"layers": (figure, caption)}), table_block(tables.retrieval_table(study.retrieval, order))]
    return Section("layers", "Retrieval, layer by layer", [], blocks)


def training(study: Study, gallery: Gallery) -> Section:
    """What tuning did on the validation pairs."""
    names = {policy: f"seed {record['seed']:.0f}" for policy, record in study.runs.items()}
    kept = {names[policy]: float(record["best_step"]) for policy, record in study.runs.items()}
    curves = {names[policy]: sheet.frame for policy, sheet in study.curves.items()}
    sentences: list[str | Text] = []
    for policy, record in study.runs.items():
        loss, steps = record["validation_loss"], (record["best_step"], record["last_step"])
        reward = {row["step"]: row["validation_reward_chosen"] for row in study.curves[policy].rows()}[steps[0]]
        name = names[policy].capitalize()
        sentences.append(verdicts.training_verdict(name, loss["before"], loss["best"], *steps, reward))
    if study.from_elsewhere:
        where = listing([f"{policy} ({study.policies[policy]})" for policy in study.from_elsewhere])
        sentences.append(say("Not trained in this study, which has no record of how they were: ", where, "."))
    if not study.runs:
        return Section("training", "Training", sentences, [])
    drawn: dict[str, tuple[Figure, str | Text]] = {}
    ratio = ", β times their log-likelihood ratio to the base model" if study.method == "DPO" else ""
    for name, columns, title, what in (
        ("loss", {"": "loss"}, f"loss of {study.method}", f"Loss of {study.method}"),
        ("margin", {"": "reward_margin"}, "reward margin", "Mean reward of the chosen minus that of the rejected text"),
        (
            "rewards",
            {"chosen": "reward_chosen", "rejected": "reward_rejected"},
            "reward",
            f"Mean rewards of chosen and rejected texts as {study.method} has them{ratio},",
        ),
        ("accuracy", {"": "reward_accuracy"}, "share of pairs", "Share of pairs whose chosen text has more reward"),
    ):
        caption = (
            f"{what} on the {study.pairs_in} validation pairs, the kept step ringed; nothing about other languages."
        )
        columns = {group: f"validation_{column}" for group, column in columns.items()}
        if all(frame[column].isna().all() for frame in curves.values() for column in columns.values()):
            continue  # a method without rewards
        drawn[f"training-{name}"] = (draw.training_figure(curves, kept, columns, title), caption)
    return Section("training", "Training", sentences, [gallery.block(drawn, "two")])


def side_effects(study: Study, gallery: Gallery) -> Section:
    """Fluency, retention, diversity and language, beside the gain."""
    gain = draw.gain_figure(study.languages, study.order)
    drawn: dict[str, tuple[Figure, str | Text]] = {"gain": (gain, "The gain, for comparison; its intervals are above.")}
    for effect, title, caption in (
        ("perplexity_median", "perplexity of continuations", f"Median and quartiles under {study.judge}."),
        (
            "civil_perplexity",
            "own perplexity",
            f"The policies’ own perplexity on {study.retained}; no other skill.",
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
        drawn[effect.replace("_", "-").replace("civil", "own")] = (figure, caption)  # civil in the mini world only
    order = (
        f"Languages are in the order of their EMT reduction, the largest on top; black ticks are {study.replicates}."
    )
    blocks = [
        gallery.block(drawn, "three"),
        table_block(
            tables.side_effect_table(study.side_effects, study.means, study.order, study.judge, study.retained)
        ),
    ]
    return Section("side-effects", "Side effects", [*_cost(study), order], blocks)


def base_model(study: Study, gallery: Gallery) -> Section:
    """How well the base model learned each language."""
    rows = study.learning.rows()
    learning = sorted((row for row in rows if math.isfinite(excess(row))), key=excess)
    if not learning:
        nothing = "How well the base model knows each language was not measured: what it was pretrained on is not here."
        shares = sorted((row for row in rows if math.isfinite(row["corpus_share"])), key=_share, reverse=True)
        known = [table_block(tables.share_table(shares))] if shares else []
        return Section("base-model", "The base model", [nothing], known)
    caption = (
        "Validation loss of the base model against the entropy of the process that made its corpus, sorted by the "
        "gap, which is what the model did not learn; losses do not compare languages, since their tokens differ."
    )
    figure = gallery.block({"learning": (draw.learning_figure(learning), caption)})
    sentence = verdicts.learning_verdict({row["language"]: excess(row) for row in learning})
    return Section("base-model", "The base model", [sentence], [figure, table_block(tables.learning_table(learning))])


def _tuning(study: Study) -> str:
    """How the model became another, up to the question whether that made it less toxic."""
    source, size = name_of(study.source), study.with_replicates
    if not study.from_elsewhere:
        pairs = f"{study.pairs_in} preference pairs alone"
        return f"A language model was tuned with {study.method} on {pairs}, {size}. Did that make it less toxic in "
    names = str(listing(study.from_elsewhere))
    judged = f"A language model is judged before and after tuning, {size}; this study did not train {names}"
    return f"{judged}. Did tuning make it less toxic in {source} and in "


def _cost(study: Study) -> list[Text]:
    civil, kept, empty = (
        effects(study.side_effects, effect) for effect in ("civil_perplexity", "language_consistent", "empty")
    )
    return [
        verdicts.retention_verdict(column(civil, "relative_change"), study.retained),
        verdicts.language_verdict(column(kept, "before"), column(kept, "after")),
        verdicts.empty_verdict(column(empty, "before"), column(empty, "after")),
    ]


def _share(row: Record) -> float:
    return float(row["corpus_share"])
