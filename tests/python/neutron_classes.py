"""What the server refuses with, against the classes of Neutron's exceptions.

    neutron_classes.py TABLE

TABLE has a class and the names of its arguments a line. Each class has to be one of Neutron's, and to make its whole message of these
arguments. Says all that is wrong.
"""
import importlib
import inspect
import pkgutil
import sys

from neutron_lib.exceptions import NeutronException

# Where the plug-in looks for classes.
PACKAGES = ["neutron_lib.exceptions", "neutron.extensions.securitygroup", "neutron.services.trunk.exceptions"]
# It makes `BadRequest` of these itself, before it looks.
OF_THE_PLUG_IN = {"SecurityGroupRemoteGroupAndRemoteIpPrefix", "VirtualRouterNotFound"}


def modules():
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield package
        for part in pkgutil.iter_modules(getattr(package, "__path__", []), name + "."):
            yield importlib.import_module(part.name)


def told(exception, arguments):
    try:
        return str(exception(**{argument: f"<{argument}>" for argument in arguments}))
    except (AttributeError, KeyError):
        # The class was given less than its message has.
        return exception.message


known = {}
for module in modules():
    for name, value in vars(module).items():
        if inspect.isclass(value) and issubclass(value, NeutronException):
            known.setdefault(name, set()).add(value)

wrong = []
with open(sys.argv[1]) as table:
    rows = [line.split() for line in table]
for name, *arguments in rows:
    classes = known.get(name, set())
    if not classes and name not in OF_THE_PLUG_IN:
        wrong.append(f"{name} is no class of Neutron")
    if classes and name in OF_THE_PLUG_IN:
        wrong.append(f"{name} is a class of Neutron, too")
    wrong += [f"{name} leaves: {text}" for text in (told(each, arguments) for each in classes) if "%(" in text]
if wrong:
    sys.exit("\n".join(wrong))
print(f"{len(rows)} classes")
