"""Field types for options: Secret, Duration, Size, Rate, Glob. Exported from `gateway` for plugin authors."""
# SKELETON: the config room fills it in.
