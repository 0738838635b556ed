"""Cards: what a chat message and a mail have in common: texts, links, templates."""
