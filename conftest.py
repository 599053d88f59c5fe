"""Settings of every test: on a shared machine, slowness is not a failure."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "aivm", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("aivm")
