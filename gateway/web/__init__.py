"""The two listeners: vendors' callbacks at the public listener, health and metrics at the private one."""
