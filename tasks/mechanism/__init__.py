"""The MLP layers: toxic value vectors, the probe that finds them, activations, interventions, shares explained.

May import: models, generation.
Used by: train_probe, find_toxic_neurons, trace_activations, intervene_neurons, explain_effect, measure_mechanism.
"""
