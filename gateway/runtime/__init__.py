"""What every room stands on at run time: clock, log lines, metrics, lean imports, a watched file."""
