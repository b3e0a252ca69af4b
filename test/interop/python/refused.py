"""The one error: what is refused, and why."""


class Refused(Exception):
    """Bytes that the specifications do not allow."""


def need(condition, why):
    if not condition:
        raise Refused(why)
