"""A YAML document with the place of every value: read, substituted, and told what is wrong with it."""
