"""How applications and providers meet: wire protocol, directory, channels, one paid call."""
