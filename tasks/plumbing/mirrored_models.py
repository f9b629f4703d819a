"""Registers tuned policies in MLflow: versions of one model that point to the files DVC keeps, not copies of them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

from tasks.plumbing.lineage import LockedStage
from tasks.plumbing.mirrored_runs import KEY, OUT, Found

MODEL = "polydetox-dpo"
STAGE = "train_dpo"
MD5 = "dvc.md5"


def register(client: "MlflowClient", policies: dict[str, tuple[LockedStage, Found]]) -> int:
    """Gives every policy a version, unless it has one, and its seed's alias to that version.

    Args:
        client: Of a connected MLflow.
        policies: Executed stage and its run, by seed.

    Returns:
        How many versions are new.
    """
    if not policies:
        return 0
    existing = {model.name: model for model in client.search_registered_models(f"name = '{MODEL}'")}
    if MODEL not in existing:
        client.create_registered_model(
            MODEL,
            description="The base model tuned on preference pairs, one alias per seed. DVC keeps the files: "
            f"`git log -S DIGEST dvc.lock`, with a version's tag {MD5}, finds the commit to `dvc pull` at.",
        )
    versions = {
        (version.tags.get(KEY), version.tags.get(MD5)): str(version.version)
        for version in client.search_model_versions(f"name = '{MODEL}'", max_results=1000)
    }
    aliases = dict(existing[MODEL].aliases) if MODEL in existing else {}
    made = 0
    for seed, (stage, run) in sorted(policies.items()):
        path = f"models/{STAGE}/{seed}"
        md5 = run.tags[OUT + path]
        version = versions.get((stage.key, md5))
        if version is None:
            tags = {KEY: stage.key, MD5: md5, "dvc.stage": stage.name}
            if "git.commit" in run.tags:
                tags["git.commit"] = run.tags["git.commit"]
            source, text = f"dvc://{path}?md5={md5}", f"{path} of dvc.lock"
            # There is no copy to wait for.
            created = client.create_model_version(
                MODEL, source, run.run_id, tags, description=text, await_creation_for=0
            )
            version = str(created.version)
            made += 1
        if str(aliases.get(f"seed-{seed}")) != version:
            client.set_registered_model_alias(MODEL, f"seed-{seed}", version)
    return made
