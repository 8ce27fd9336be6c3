"""What has just been staged? Signals that start a look; they decide nothing."""
