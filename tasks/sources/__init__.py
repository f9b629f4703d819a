"""Text that other people published, read into rows: prompts, preference pairs, parallel sentences, labels.

May import: nothing else of the project.
Used by: prepare_pairs, prepare_prompts, prepare_parallel, prepare_labelled.
"""
