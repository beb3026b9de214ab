"""How useful synthetic data are: models that are trained on them, analyses and cohorts that are repeated on them."""
