"""What schemathesis has to know to get past the doors of the server that the document describes.

Made-up names and uuids lead nowhere, so what is well formed is replaced by what is there; what is wrong on purpose stays. And
what the document says in words (empty values are not checked, a text may stand for a number) no schema says, so it is said here.

Environment: CIRRUS_URL, the server.
"""

import ast
import itertools
import os
import threading

import requests
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.core.failures import AcceptedNegativeData, ServerError
from schemathesis.openapi.checks import JsonSchemaError

# Python 3.11 counts the depth of what it parses for all threads together, and one of two that parse at the same time fails with
# "AST constructor recursion depth mismatch". hypothesis parses what it tells of, in each of schemathesis' workers.
parse = ast.parse
one_at_a_time = threading.Lock()


def parse_alone(*arguments, **options):
    """ast.parse, in one thread at a time."""
    with one_at_a_time:
        return parse(*arguments, **options)


ast.parse = parse_alone

URL = os.environ["CIRRUS_URL"]
NUMBERS = itertools.count()
DOCUMENT = requests.get(f"{URL}/openapi.json", timeout=60).json()


def below_components(schema):
    """A validator of a schema of the document."""
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def content(operation):
    """What an operation takes."""
    return operation["requestBody"]["content"]["application/json"]


class Kind:
    """A type of objects: how one is made, and one that is there."""

    def __init__(self, path, operation):
        self.path = path
        self.example = content(operation)["example"]
        ((self.name, self.fields),) = self.example.items()
        wrapper = content(operation)["schema"]["properties"][self.name]["$ref"]
        self.schema = DOCUMENT["components"]["schemas"][wrapper.rsplit("/", 1)[1]]
        self.members = {
            name: below_components(schema)
            for name, schema in self.schema["properties"].items()
            if name in ("fq_name", "parent_type", "uuid") or name.endswith("_refs")
        }
        self._uuid = None

    def parent(self):
        """The type of the object above the example, if there is one."""
        if len(self.fields["fq_name"]) > 1:
            default = self.schema["properties"]["parent_type"]["enum"][0]
            return KINDS[self.fields.get("parent_type", default)]
        return None

    def new_name(self):
        """A name that nobody has, below what is there."""
        *above, name = self.fields["fq_name"]
        if self.parent():
            self.parent().uuid()
        return [*above, f"{name}{next(NUMBERS)}"]

    def uuid(self):
        """One that is there; none if there can't be any."""
        if self._uuid is None or requests.get(f"{URL}/{self.name}/{self._uuid}", timeout=60).status_code != 200:
            if self.parent():
                self.parent().uuid()
            # Refused where there is one already, and more are too many.
            requests.post(URL + self.path, json=self.example, timeout=60)
            listed = requests.get(URL + self.path, timeout=60).json()[self.path[1:]]
            self._uuid = listed[-1]["uuid"] if listed else None
        return self._uuid


KINDS = {}
for path, item in DOCUMENT["paths"].items():
    if item.get("post", {}).get("operationId", "").endswith("_create"):
        kind = Kind(path, item["post"])
        KINDS[kind.name] = kind
COLLECTIONS = {kind.path: kind for kind in KINDS.values()}
UUID = below_components({"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"})

FQ_NAME = below_components({"type": "array", "items": {"type": "string"}, "minItems": 1})


@schemathesis.hook
def before_call(context, case, kwargs):
    """Leads to what is there."""
    if "uuid" in case.path_parameters and UUID.is_valid(case.path_parameters["uuid"]):
        # In a chain of requests it comes from the answer before.
        if case.meta is None or case.meta.phase.name.value != "stateful":
            kind = KINDS[case.path.split("/")[1]]
            case.path_parameters["uuid"] = kind.uuid() or case.path_parameters["uuid"]
    if isinstance(case.body, dict):
        lead_body(case)
    if isinstance(case.query, dict) and UUID.is_valid(case.query.get("uuid")):
        case.query["uuid"] = KINDS["virtual-network"].uuid()
    if case.path == "/changes" and "wait" in case.query:
        # Nobody else writes; it would wait for nothing.
        case.query["wait"] = "0" if str(case.query["wait"]).isdigit() and int(case.query["wait"]) <= 60 else case.query["wait"]
    if case.path == "/watch":
        kwargs["timeout"] = 0.5


def lead_body(case):
    """Replaces names and uuids in a body, and takes references away, which would lead nowhere."""
    kind = COLLECTIONS.get(case.path) or KINDS.get(case.path.split("/")[1])
    if kind is None:
        for name in ("uuid", "obj_uuid", "ref-uuid", "scope_uuid"):
            if UUID.is_valid(case.body.get(name)):
                case.body[name] = KINDS["project" if name == "scope_uuid" else "virtual-network"].uuid()
        if isinstance(case.body.get("type"), str):
            case.body["type"] = "virtual-network"
        if case.path == "/fqname-to-id" and FQ_NAME.is_valid(case.body.get("fq_name")):
            case.body["fq_name"] = KINDS["virtual-network"].fields["fq_name"]
        return
    fields = case.body.get(kind.name)
    if not isinstance(fields, dict):
        return
    for name, validator in kind.members.items():
        if name in fields and validator.is_valid(fields[name]):
            del fields[name]
            if name == "fq_name":
                fields[name] = kind.new_name()
    if case.path == kind.path and "fq_name" in fields:
        for name, value in kind.fields.items():
            if name != "fq_name":
                fields.setdefault(name, value)


# What the document says of operations that need a message bus, which this server has none of.
NEED_BUS = ("/abort-job", "/amqp-publish", "/amqp-request", "/execute-job")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether what was found is a fault: not if the document's words allow what its schemas do not, or say what is needed."""
    if isinstance(failure, ServerError):
        return not (case.path in NEED_BUS and response.status_code == 503)
    if isinstance(failure, JsonSchemaError):
        answers = DOCUMENT["paths"][case.path][case.method.lower()]["responses"]
        return not is_as_said(answers[str(response.status_code)]["content"]["application/json"], response.json())
    if not isinstance(failure, AcceptedNegativeData):
        return True
    if case.meta is not None and any(
        info.mode.is_negative and location.value != "body" for location, info in case.meta.components.items()
    ):
        return True
    return not is_as_said(content(DOCUMENT["paths"][case.path][case.method.lower()]), case.body)


def is_as_said(media, value):
    """Whether a body is as the schema and the words of the document say."""
    return all(map(is_allowed_in_words, below_components(media["schema"]).iter_errors(value)))


def is_allowed_in_words(error):
    """Whether an error of a schema is none to the server."""
    if not error.instance:
        return True
    if error.validator == "anyOf":
        branches = {}
        for below in error.context:
            branches.setdefault(below.relative_schema_path[0], []).append(below)
        return any(all(map(is_allowed_in_words, errors)) for errors in branches.values())
    return error.validator in ("type", "minimum", "maximum") and stands_for_integer(error)


def stands_for_integer(error):
    """Whether a text, a fraction or a flag is a number in the range of a schema of numbers."""
    if "integer" not in error.schema.get("type", ""):
        return False
    try:
        number = int(error.instance)
    except (TypeError, ValueError, OverflowError):
        return False
    return error.schema.get("minimum", number) <= number <= error.schema.get("maximum", number)
