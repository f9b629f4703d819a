"""What a text is like: toxicity scorers, fluency judges, language identification, diversity, degeneration.

May import: models, world.
Used by: the score_* stages and identify_language.
"""
