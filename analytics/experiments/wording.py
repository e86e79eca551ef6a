"""What people write in files for a control, for yes and for no."""

# What people write for "not treated"; any other word has to be named with --control.
CONTROLS = {
    "0", "0.0", "control", "ctrl", "holdout", "hold-out", "hold_out", "held_out", "held out",
    "false", "no", "none", "untreated", "对照", "对照组", "控制组", "否", "未触达",
}  # fmt: skip
YES = {"1", "true", "yes", "y", "是"}
NO = {"0", "false", "no", "n", "否"}
