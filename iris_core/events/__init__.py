"""What has just landed, or been staged? Signals that start a look; they decide nothing."""
