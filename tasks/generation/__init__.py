"""Continuing prompts: the decoding loop, and vLLM as the other engine.

May import: models.
Used by: generate, and the mechanism stages that generate text.
"""
