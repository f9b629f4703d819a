"""Definitions of the study: values in, values out; science does no I/O."""
