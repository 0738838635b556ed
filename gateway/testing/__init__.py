"""What plugin authors test with: promise suites to inherit, factories, the hostile corpus. Plain imports, no pytest plugin."""
