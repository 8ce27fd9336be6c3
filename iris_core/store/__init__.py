"""Which objects are there, and in which exact version? All access to S3 goes through here."""
