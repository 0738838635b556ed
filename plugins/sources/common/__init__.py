"""What several sources share: signed texts, fields, events, expressions."""
