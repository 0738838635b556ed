"""What makes text safe and comparable: strict JSON, secrets, redaction, escaping."""
