"""Which objects are there, and in which exact version? The one seam to S3."""
