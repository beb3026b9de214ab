"""Learning a hospital with noise: a guarantee for each person, whatever else is known of him.

Neighbouring hospitals differ in one whole person. ``bounded`` limits how many concepts of a person are counted;
``contributions`` says to how many rows of each statistic he then adds; ``release`` adds noise that hides so many.
"""
