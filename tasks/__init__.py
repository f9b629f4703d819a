"""The stages of the study, one module per stage of dvc.yaml."""
