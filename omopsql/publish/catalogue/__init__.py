"""The catalogue: releases as a static site that people search and explore, and files that catalogues harvest.

The site loads nothing from elsewhere and needs no server: its pages work from a folder as well.
"""
