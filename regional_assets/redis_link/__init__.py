"""The link to a Redis server, whatever kind it is of. This room knows nothing of what is stored
there, and imports nothing of the project.

What any program would need that keeps its data in Redis: what an address may be (`url`), a client
for it and commands that are sent again (`client`), one class per kind of server behind the same
methods, so that nobody else asks which kind it is (`server`, `sentinel`, `cluster`, `embedded`),
`scripts`, what an error means and what to do (`refusals`), which products were `tried`, and what a
diagnosis asks of any server (`probes`). No key's name, no encoding of a value, no setting's
default; but messages say `REDIS_URL` and `REGIONAL_STATE_DIR`, as people know them. All errors are
`errors.LinkError`, or redis-py's.
"""
