"""The typed settings: what may stand in a configuration file."""
