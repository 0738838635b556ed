"""The pages at `/` of the private listener: the functions of the admin service, for people with a browser."""
