"""What people look at after a run: Prefect artifacts with the result, its figures, and the way to report and MLflow."""

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from tasks.plumbing import ledger, lineage, project
from tasks.plumbing.files import read_table

RESULTS = Path("metrics/measure_transfer/languages.csv")
HEADLINE = "metrics/measure_transfer/headline.json"
REPORT = Path("data/report/report.html")
FIGURES = {
    "languages": "Expected maximum toxicity before and after tuning, per language",
    "predictor-p-at-1": "Retrieval accuracy before tuning and reduction of toxicity",
}
# Where `make ui` and `make mlflow` serve; a page of the Prefect UI cannot link to a file.
REPORTS_URL = os.environ.get("POLYDETOX_REPORTS_URL", "http://127.0.0.1:4201")
MLFLOW_URL = "http://127.0.0.1:5000"


def show(folder: Path, outcomes: Mapping[str, str], experiment: str) -> None:
    """Makes the artifacts of a run: headline table with intervals, figures, links.

    Only what the run brought up to date: another run's numbers would look like this one's.
    """
    suffix = f"-{experiment.lower()}" if experiment else ""
    suffix = "".join(letter if letter.isalnum() else "-" for letter in suffix)
    of = f" of experiment {experiment}" if experiment else ""
    create_table_artifact(
        key=f"stages{suffix}",
        table=[{"stage": name, "state": state} for name, state in outcomes.items()],
        description=f"What became of each stage{of}",
    )
    if "measure_transfer" in outcomes and (folder / RESULTS).exists():
        create_table_artifact(
            key=f"headline{suffix}",
            table=headline(folder / RESULTS),
            description="Expected maximum toxicity (0 to 1) before and after preference tuning on English pairs, 95% "
            f"interval of the change{of}. * p < .05, permutation test, Holm-corrected over languages. "
            f"`polydetox why {RESULTS}:language=en,metric=emt,subset=aligned:change` says where a number comes from.",
        )
    pictures = {name: folder / "data/report/figures" / f"{name}.png" for name in FIGURES}
    shown = [
        f"### {FIGURES[name]}\n\n![{FIGURES[name]}]({_data_url(path)})"
        for name, path in pictures.items()
        if "report" in outcomes and path.exists()
    ]
    if shown:
        create_markdown_artifact(key=f"figures{suffix}", markdown="\n\n".join(shown), description=f"Figures{of}")
    if "report" in outcomes and (folder / REPORT).exists():
        kept = keep_report(folder / REPORT)
        create_link_artifact(
            key=f"report{suffix}",
            link=f"{REPORTS_URL}/{kept.parent.name}/{kept.name}",
            link_text="Open the report",
            description=f"The report{of}; `make ui` serves it. As a file: {kept.relative_to(project.root())}",
        )
    create_link_artifact(
        key=f"mlflow{suffix}",
        link=mlflow_url(folder),
        link_text="Open the runs in MLflow",
        description=f"The study and its stages{of} in MLflow; `make mlflow` serves it unless MLFLOW_TRACKING_URI does",
    )


def headline(results: Path) -> list[dict[str, Any]]:
    """One row per language, largest drop first."""
    table = read_table(results, ["language", "metric", "before", "after", "change", "subset", "p_holm"])
    rows = table[(table["metric"] == "emt") & (table["subset"] == "aligned")].sort_values("change")
    return [
        {
            "language": row["language"],
            "before": f"{row['before']:.3f}",
            "after": f"{row['after']:.3f}",
            "change": f"{row['change']:+.3f}" + (" *" if row["p_holm"] < 0.05 else ""),
            "95% interval": f"[{row['change_low']:+.3f}, {row['change_high']:+.3f}]",
        }
        for row in rows.to_dict("records")
    ]


def headline_of_experiment(root: Path, name: str) -> dict[str, Any]:
    """The numbers that `dvc exp show` has of an experiment; empty if it has none."""
    ref = project.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}", cwd=root)
    text = project.git("show", f"{ref}:{HEADLINE}", cwd=root) if ref else ""
    return lineage.flatten(json.loads(text)) if text else {}


def keep_report(report: Path) -> Path:
    """A copy that stays when the next run writes another; equal reports are kept once."""
    digest = hashlib.md5(report.read_bytes(), usedforsecurity=False).hexdigest()
    kept = project.root() / ledger.FOLDER / "reports" / digest / report.name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(report, kept)
    return kept


def mlflow_url(folder: Path) -> str:
    """Page of MLflow that lists the runs of this state of the study."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    server = uri.rstrip("/") if uri.startswith("http") else MLFLOW_URL
    study = lineage.study_key(lineage.current_stages(folder))
    return f"{server}/#/experiments/1/runs?searchFilter=tags.%60polydetox.study%60%20%3D%20%22{study}%22"


def _data_url(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
