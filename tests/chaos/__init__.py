"""Uploads under fire: kill everything, at any moment, and audit that nothing was lost or doubled."""
