"""From the YAML file to typed settings: every mistake located, all of them at once, no secret in any text."""
