"""The event as it is written: CloudEvents JSON, the flat form of tests, samples of every type."""
