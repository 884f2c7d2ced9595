"""What the programs of this directory check with: they stop at the first thing that is wrong."""


def same(what, got, wanted):
    if got != wanted:
        raise SystemExit("%s:\n  wanted %r\n  got    %r" % (what, wanted, got))


def refused(what, error, call, *arguments, **named):
    """Makes a call that has to fail, and gives the text of the error."""
    try:
        answer = call(*arguments, **named)
    except error as refusal:
        return str(refusal)
    except Exception as other:
        raise SystemExit("%s: wanted %s, got %s: %s" % (what, error.__name__, type(other).__name__, other))
    raise SystemExit("%s: wanted %s, but it was accepted: %r" % (what, error.__name__, answer))
