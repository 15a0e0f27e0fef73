"""The errors of the link. Each message is whole: what is wrong, where, and what to do next. It
never holds a secret."""


class LinkError(Exception):
    """The server cannot be used; the base of them all."""


class AddressError(LinkError):
    """An address that cannot be used; the message quotes no part of it."""


class EmbeddedServerError(LinkError):
    """The embedded server cannot be started or stopped."""
