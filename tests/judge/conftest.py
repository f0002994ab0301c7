"""Laws are checked without a clock (the machine may be busy) and on the same cases every time."""

from hypothesis import settings

settings.register_profile("judge", deadline=None, derandomize=True)
settings.load_profile("judge")
