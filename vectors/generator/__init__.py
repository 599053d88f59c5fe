"""Makes the published vectors from the executable specification; see vectors/README.md."""
