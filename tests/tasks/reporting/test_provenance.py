"""Where policies come from."""

from tasks.reporting.provenance import provenance_table
from tasks.reporting.sourced import Record

SCORER = Record({"id": "lexicon", "revision": "r1", "label": "insult"}, "scorer.json:")


def test_a_policy_is_trained_here_or_not() -> None:
    """The base model is neither; a run names its seed, pairs, device and versions with their keys."""
    run = Record({"seed": 1, "pairs": {"train": 9}, "device": "cpu", "versions": {"trl": "9.8.7"}}, "run.json:")
    paths = {"base": "models/b", "dpo-1": "models/1", "nightly": "models/n"}
    table = provenance_table(SCORER, paths, {"dpo-1": run}, "base")
    assert [[str(cell) for cell in row] for row in table.rows] == [
        ["toxicity scorer", "lexicon, revision r1, label “insult”"],
        ["base", "models/b"],
        ["dpo-1", "models/1: seed 1, 9 train pairs, on cpu; trl 9.8.7"],
        ["nightly", "models/n: not trained in this study"],
    ]
    keys = [part.key for part in table.rows[2][1].parts if not isinstance(part, str)]
    assert keys == ["run.json:seed", "run.json:pairs.train", "run.json:device", "run.json:versions.trl"]
