"""The link to a Redis server, whatever kind it is of. This room knows nothing of what is stored
there, and imports nothing of the project.

Here belongs what any program would need that keeps its data in Redis: what an address may be
(`url`) and a client for it (`client`); one class per kind of server behind the same methods
(`server`: a single one; `sentinel`, `cluster`, `embedded`), so that nobody else asks which kind it
is; commands that are sent again (`attempts`), scripts (`scripts`), what an error means and what to
do (`refusals`), which products were tried (`tried`), and what a diagnosis asks of any server
(`probes`).

Here does not belong: a key's name, the meaning or the encoding of a value, a setting's default. The
messages call the address `REDIS_URL` and the folder of the embedded server `REGIONAL_STATE_DIR`, as
the variables are named in which people set them. All errors are `errors.LinkError`, or redis-py's.
"""
