"""A whole store taken elsewhere: to a file and back, to another database, to a backup."""
