"""What has just landed, or been staged? Signals that wake; they decide nothing."""
