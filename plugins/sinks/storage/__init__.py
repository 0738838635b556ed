"""Where sinks keep files: a folder or an object store behind one small protocol, shared by sinks that write files."""
