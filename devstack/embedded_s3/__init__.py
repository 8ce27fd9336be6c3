"""An object store inside this process: moto's S3 with MinIO's listen API, kept on disk.

    with embedded_s3(tmp_path, access_key="iris", secret_key="iris-secret") as endpoint_url:
        boto3.client("s3", endpoint_url=endpoint_url, …)

As a process of its own: `python -m devstack.embedded_s3 --help`.

One process can host only one store at a time, because moto's backends are global; so don't use moto's
`mock_aws` beside it. Content survives a restart on the same directory, a kill included (journal.py).
Signatures and the secret key are not verified (access.py). For demos and tests, not for production.

Events, answers and listings are those of MinIO (RELEASE.2025-10-15T17-29-55Z) except:
- deleting an object whose newest version is a delete marker adds another marker (MinIO returns the old one);
- a bulk delete of a missing key in a versioned bucket makes no marker and says ObjectRemoved:Delete; of a
  folder marker there makes a delete marker;
- deleting in a bucket with suspended versioning is refused with 501 (moto would drop every version);
- prefix and suffix of a listener are literal; a listener that stops reading is disconnected after
  `broker.QUEUE_LIMIT` events (MinIO drops them silently);
- `GET ?retention`, ACLs beyond the canned ones, and checksum or Content-MD5 verification are moto's: missing.
Each page of a listing costs time in proportion to the whole bucket (moto filters and sorts all keys).
"""

from __future__ import annotations

from devstack.embedded_s3.service import EmbeddedS3, embedded_s3

__all__ = ["EmbeddedS3", "embedded_s3"]
