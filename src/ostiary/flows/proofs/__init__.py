"""What proves a person: passwords checked, browsers known, and what is asked again before something sensitive."""
