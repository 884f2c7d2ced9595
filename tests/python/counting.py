"""Counts what a program asks over HTTP, by whichever library: import it before anything is asked.

`counted()` is a table: `METHOD PATH STATUS`, with `*` for the uuid in a path, and how often.
"""
import collections
import http.client

COUNTS = collections.Counter()
_putrequest, _getresponse = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse


def putrequest(self, method, url, *arguments, **named):
    parts = url.split("?")[0].split("/")
    self.asked = "%s %s" % (method, "/".join(parts[:2] + ["*"] * (len(parts) > 2) + parts[3:]))
    return _putrequest(self, method, url, *arguments, **named)


def getresponse(self, *arguments, **named):
    response = _getresponse(self, *arguments, **named)
    COUNTS["%s %s" % (self.asked, response.status)] += 1
    return response


def counted():
    return dict(COUNTS)


http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse = putrequest, getresponse
