"""The chapter on training."""

import math
from collections.abc import Mapping

import pandas as pd

from tasks.reporting.charts import Chart, Curve
from tasks.reporting.page import Gallery, Section
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, count, listing, number, say, signed
from tasks.reporting.xy_charts import step_curves


def chapter(study: Study, gallery: Gallery) -> Section:
    """What tuning did on the validation pairs."""
    names = {policy: f"seed {record['seed']:.0f}" for policy, record in study.runs.items()}
    kept = {names[policy]: float(record["best_step"]) for policy, record in study.runs.items()}
    curves = {names[policy]: sheet.frame for policy, sheet in study.curves.items()}
    sentences: list[str | Text] = []
    for policy, record in study.runs.items():
        loss, steps = record["validation_loss"], (record["best_step"], record["last_step"])
        reward = {row["step"]: row["validation_reward_chosen"] for row in study.curves[policy].rows()}[steps[0]]
        name = names[policy].capitalize()
        sentences.append(training_verdict(name, loss["before"], loss["best"], *steps, reward))
    if study.from_elsewhere:
        where = listing([f"{policy} ({study.policies[policy]})" for policy in study.from_elsewhere])
        sentences.append(say("Not trained in this study, which has no training record of them: ", where, "."))
    if not study.runs:
        return Section("training", "Training", sentences, [])
    drawn: dict[str, tuple[Chart, str | Text]] = {}
    ratio = ", β times their log-likelihood ratio to the base model" if study.method == "DPO" else ""
    for name, columns, title, what in (
        ("loss", {"": "loss"}, f"loss of {study.method}", f"Loss of {study.method}"),
        ("margin", {"": "reward_margin"}, "reward margin", "Mean reward of the chosen minus that of the rejected text"),
        (
            "rewards",
            {"chosen": "reward_chosen", "rejected": "reward_rejected"},
            "reward",
            f"Mean rewards of chosen and rejected texts as {study.method} defines them{ratio},",
        ),
        (
            "accuracy",
            {"": "reward_accuracy"},
            "share of pairs",
            "Share of pairs with more reward for the chosen text",
        ),
    ):
        caption = (
            f"{what} on the {study.pairs_in} validation pairs, the kept step ringed; it says nothing about other "
            f"languages."
        )
        columns = {group: f"validation_{column}" for group, column in columns.items()}
        if all(frame[column].isna().all() for frame in curves.values() for column in columns.values()):
            continue  # a method without rewards
        drawn[f"training-{name}"] = (training_figure(curves, kept, columns, title), caption)
    return Section("training", "Training", sentences, [gallery.block(drawn, "two")])


def training_verdict(run: str, before: float, best: float, best_step: float, last_step: float, chosen: float) -> Text:
    """What one training run reached; a falling reward of the chosen side is said, since the loss hides it."""
    if best >= before:
        start = say(f"{run}: the validation loss never falls below its start, ", number(before))
        return say(start, "; step ", count(best_step), " is kept.")
    end = say(", the last, so it may not have converged") if best_step == last_step else say(" of ", count(last_step))
    sentence = say(
        f"{run}: the validation loss falls from ",
        number(before),
        " to ",
        number(best),
        " at step ",
        count(best_step),
        end,
    )
    if not math.isfinite(chosen):  # a method without rewards
        return say(sentence, ".")
    sentence = say(sentence, "; the reward of the chosen texts there is ", signed(chosen, 2))
    return say(sentence, ": the chosen texts became less likely as well." if chosen < 0 else ".")


def training_figure(
    curves: Mapping[str, pd.DataFrame], kept: Mapping[str, float], columns: Mapping[str, str], y_title: str
) -> Chart:
    """Columns of the training curves by their names, a line per run, with the step that was kept."""
    groups = {}
    for name, column in columns.items():
        runs = ((run, frame["step"].tolist(), frame[column].tolist()) for run, frame in curves.items())
        groups[name] = [Curve(run, x, y, marked=kept[run]) for run, x, y in runs]
    return step_curves(groups, y_title)
