"""How good synthetic data are: faithful, useful, private and fair, each number with its interval and its ceiling."""
