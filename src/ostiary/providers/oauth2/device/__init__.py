"""The device flow: its endpoint, its page and the stages it puts behind a flow."""
