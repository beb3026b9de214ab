"""The gates of a synthetic hospital: how near it comes to persons it was not fitted to, and whether it repeats any."""
