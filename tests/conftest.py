"""For all tests: no example of hypothesis has a deadline, since shared machines pause now and then."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
