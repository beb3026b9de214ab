"""Where the classes of stays begin: counted by the same edges as drawn."""

import numpy as np

COUNT_EDGES = np.array([1, 2, 3, 5, 9, 17, 33, 49, 65, 97], np.int64)  # records of a run
GROUP_EDGES = np.array([1, 2, 3, 5, 9, 33], np.int64)  # the same, for summaries, which need more persons than times do
CELL_EDGES = np.array([10, 13, 17, 22, 28, 34, 40, 44, 48, 52, 60, 70, 85, 110], np.int64)  # records of a parent
ZONE_EDGES = np.array([-0.5, 0.5])  # a person's score
