"""The provider agent: admission, journal, workers, settlement, and its HTTP face."""
