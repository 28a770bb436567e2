"""How clients prove who they are, and which key they hold."""
