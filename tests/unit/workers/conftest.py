"""Workers run the provider's tiny package."""

from tests.unit.provider.conftest import package, world

__all__ = ["package", "world"]
