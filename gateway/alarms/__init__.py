"""The gateway's own alarms: events about itself, stored and routed like all others."""
