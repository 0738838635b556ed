"""What a vendor's wire looks like, for the sources that read it and the sinks that write it: pure, imports the core alone."""
