"""The pages of a flow: a challenge shown, its form read."""
