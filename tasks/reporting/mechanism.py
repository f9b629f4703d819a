"""The chapter on the mechanism."""

from tasks.reporting.activations import activations, doses
from tasks.reporting.explained import explained
from tasks.reporting.page import Gallery, Section
from tasks.reporting.study import Study
from tasks.reporting.toxic_vectors import probe, vectors


def chapter(study: Study, gallery: Gallery, show_text: bool) -> Section:
    """What in the base model promotes toxicity, in which languages, and whether tuning acts there."""
    parts = [
        probe(study, gallery),
        vectors(study, gallery, show_text),
        activations(study, gallery),
        doses(study, gallery),
        explained(study, gallery),
    ]
    sentences = [sentence for part, _ in parts for sentence in part]
    blocks = [block for _, part in parts for block in part]
    return Section("mechanism", "Mechanism", sentences, blocks)
