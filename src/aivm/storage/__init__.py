"""Storage: blocks on disk, and blocks over HTTP, by content."""
