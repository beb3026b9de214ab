"""Whether synthetic data are as good for every subgroup: its share, its fidelity, and the models that serve it."""
