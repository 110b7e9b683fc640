"""ministack, another implementation of AWS, as the program that a test runs. Its own command would do, but for three things that differ
between this machine and an account, and that the template must not be bent for."""

import socket

import ministack.app as app
import ministack.services.eventbridge as events

# How much faster than the clock schedules run: a minute would be most of the test.
HASTE = 20


def loopback(resolve):
    """Names below `localhost` mean this machine (RFC 6761), which the resolver of a bare system doesn't know."""
    return lambda host, *more, **options: resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *more, **options)


def secure(pin):
    """Bucket policies deny what comes without TLS. Here nothing leaves the machine, so every request counts as secure."""
    return lambda address, _secure: pin(address, True)


def hasty(parse):
    return lambda expression: (seconds := parse(expression)) and seconds / HASTE


socket.getaddrinfo = loopback(socket.getaddrinfo)
app.pin_request_origin = secure(app.pin_request_origin)
events._parse_rate_seconds = hasty(events._parse_rate_seconds)
events._SCHEDULER_TICK_INTERVAL = 1

if __name__ == "__main__":
    app.main()
