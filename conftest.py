"""What holds for every test of this repository that pytest runs."""

from hypothesis import settings

# An example takes as long as the machine lets it: a slow one is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
