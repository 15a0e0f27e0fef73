"""What lies in Redis: key names, the stores and their server-side scripts, verification, rights,
diagnosis. The link to the server itself is in `redis_link`."""
