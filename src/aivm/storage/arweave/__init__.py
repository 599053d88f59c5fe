"""Arweave: permanent copies of manifests and signatures, verified before they are believed."""
