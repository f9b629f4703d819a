"""Adapters to heavy libraries (torch, transformers, trl): the only code that loads or trains models."""
