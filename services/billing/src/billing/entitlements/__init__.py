"""What a customer may use: the features of all that they subscribe to."""
