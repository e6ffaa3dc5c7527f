"""What we tell a source back, sent after the commit, with bounded retries, to allow-listed addresses only."""
