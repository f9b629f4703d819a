"""The mini world: its lexicon and grammars, the documents they generate, and pretraining a model on them.

May import: nothing else of the project.
Used by: the prepare_* stages, identify_language, and the stages that score toxicity by lexicon.
"""
