"""AIVM: run, sell, buy and check AI inference without trusting anybody."""
