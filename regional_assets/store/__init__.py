"""Redis: key names, connection, the snapshot store and its server-side scripts, the embedded
server."""
