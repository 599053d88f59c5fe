"""Programs run in processes of their own: whoever asks outlives a model that takes its engine down.

The provider's agent serves from such workers, the verifier re-executes in them.
"""
