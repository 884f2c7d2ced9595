"""Counts what a program asks over HTTP, by whichever library: import it before anything is asked.

`counted()` is a table: `METHOD PATH STATUS`, with `*` for what stands behind the name of a type, and how often.
"""
import collections
import http.client

COUNTS = collections.Counter()
_putrequest, _getresponse = http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse


def putrequest(self, method, url, *arguments, **named):
    first, slash, rest = url.split("?")[0].lstrip("/").partition("/")
    self.asked = "%s /%s%s" % (method, first, "/*" if rest else "")
    return _putrequest(self, method, url, *arguments, **named)


def getresponse(self, *arguments, **named):
    response = _getresponse(self, *arguments, **named)
    COUNTS["%s %s" % (self.asked, response.status)] += 1
    return response


def counted():
    return dict(COUNTS)


http.client.HTTPConnection.putrequest, http.client.HTTPConnection.getresponse = putrequest, getresponse
