"""Bodies that a request schema must refuse, each one step away from a valid one."""

import copy
import json

# One value of every JSON type. 1.5 stands for numbers: 1.0 would pass as an integer.
TYPED_VALUES = {
    "null": None,
    "boolean": True,
    "integer": 1,
    "number": 1.5,
    "string": "x",
    "array": [],
    "object": {},
}
# Tried in this order until one fails the pattern.
PATTERN_BREAKERS = ("../x", " ", "x\u0000", "-", "")
UNKNOWN_FIELD = "no_such_field"


def mutations_of(contract, schema, valid):
    """Yields (name, body, dotted path of the bad field). `contract` resolves references and judges values."""
    return _Mutator(contract, schema, valid).run()


class _Mutator:
    def __init__(self, contract, schema, valid):
        self._contract = contract
        self._schema = schema
        self._valid = valid

    def run(self):
        for kind, value in TYPED_VALUES.items():
            if not self._accepts_type(self._schema, kind):
                yield f"body is {kind}", copy.deepcopy(value), ""
        yield from self._object(self._schema, ())

    def _object(self, schema, path):
        if schema.get("additionalProperties") is False:
            yield self._with(f"{_dotted(path + (UNKNOWN_FIELD,))} is unknown", path + (UNKNOWN_FIELD,), 1)
        for name in schema.get("required", ()):
            yield self._without(path, [name])
        alternatives = _alternatives(schema)
        if alternatives:
            yield self._without(path, alternatives)
            yield self._with_all(schema, path, alternatives)
        if schema.get("minProperties", 0) > 0:
            yield f"{_dotted(path) or 'body'} is empty", self._replaced(path, {}), _dotted(path)
        for name, field in schema.get("properties", {}).items():
            yield from self._field(self._contract.resolve(field), path + (name,))

    def _field(self, schema, path):
        for kind, value in TYPED_VALUES.items():
            if not self._accepts_type(schema, kind):
                yield self._with(f"{_dotted(path)} is {kind}", path, value)
        for branch in self._branches(schema):
            for what, value in self._bad_values(branch):
                yield self._with(f"{_dotted(path)} {what}", path, value)
            if "properties" in branch:
                yield from self._object(branch, path)
            if "items" in branch:
                yield from self._items(self._contract.resolve(branch["items"]), path)

    def _items(self, schema, path):
        """Bad elements of an array whose other elements do not matter."""
        first = path + ("0",)
        for kind, value in TYPED_VALUES.items():
            if not self._accepts_type(schema, kind):
                yield f"{_dotted(first)} is {kind}", self._replaced(path, [copy.deepcopy(value)]), _dotted(first)
        for what, value in self._bad_values(schema):
            yield f"{_dotted(first)} {what}", self._replaced(path, [value]), _dotted(first)

    def _bad_values(self, schema):
        if "enum" in schema:
            yield "is not in the list", "no-such-choice"
        if "minimum" in schema:
            yield "is below the minimum", schema["minimum"] - 1
        if "maximum" in schema:
            yield "is above the maximum", schema["maximum"] + 1
        if schema.get("minLength", 0) > 0:
            yield "is too short", "x" * (schema["minLength"] - 1)
        if "maxLength" in schema:
            yield "is too long", "x" * (schema["maxLength"] + 1)
        if "pattern" in schema:
            only_pattern = {"pattern": schema["pattern"]}
            yield "breaks the pattern", next(v for v in PATTERN_BREAKERS if self._contract.schema_errors(only_pattern, v))
        if schema.get("minItems", 0) > 0:
            yield "has too few items", self._elements(schema)[: schema["minItems"] - 1]
        if "maxItems" in schema:
            yield "has too many items", self._elements(schema, schema["maxItems"] + 1)
        if schema.get("uniqueItems"):
            yield "has an item twice", self._elements(schema)[:1] * 2

    def _elements(self, schema, count=1):
        """`count` different valid elements."""
        item = self._contract.resolve(schema["items"])
        if item.get("type") == "object":
            example = item["examples"][0]
            elements = [{**example, next(iter(example)): f"x{number}"} for number in range(count)]
        elif item.get("type") == "integer":
            elements = list(range(item["minimum"], item["minimum"] + count))
        else:
            elements = [f"x{number}" for number in range(count)]
        assert not self._contract.schema_errors(item, elements[0]), f"no element is known for {json.dumps(item)}"
        return elements

    def _branches(self, schema):
        if "anyOf" in schema:
            return [self._contract.resolve(branch) for branch in schema["anyOf"]]
        return [schema]

    def _accepts_type(self, schema, kind):
        accepted = set()
        for branch in self._branches(schema):
            types = branch["type"]
            accepted.update([types] if isinstance(types, str) else types)
        # Every integer is a number.
        return kind in accepted or (kind == "integer" and "number" in accepted)

    def _with(self, name, path, value):
        return name, self._replaced(path, copy.deepcopy(value)), _dotted(path)

    def _without(self, path, names):
        body = copy.deepcopy(self._valid)
        parent = _descend(body, path)
        for name in names:
            parent.pop(name, None)
        bad = path + (names[0],)
        return f"{_dotted(path + (' or '.join(names),))} is missing", body, _dotted(bad)

    def _with_all(self, schema, path, names):
        body = copy.deepcopy(self._valid)
        parent = _descend(body, path)
        for name in names:
            parent.setdefault(name, self._contract.resolve(schema["properties"][name])["examples"][0])
        return f"{_dotted(path + (' and '.join(names),))} together", body, _dotted(path + (names[0],))

    def _replaced(self, path, value):
        if not path:
            return value
        body = copy.deepcopy(self._valid)
        parent = _descend(body, path[:-1])
        alternatives = _alternatives(self._schema) if len(path) == 1 else []
        if path[0] in alternatives:
            for name in alternatives:
                parent.pop(name, None)
        parent[path[-1]] = value
        return body


def _alternatives(schema):
    """Names of which exactly one must be given; the first stands for all of them in `details`."""
    branches = [branch["required"] for branch in schema.get("oneOf", ()) if set(branch) == {"required"}]
    return [name for names in branches for name in names]


def _descend(body, path):
    """The object at the path, made on the way where the valid body leaves it out."""
    for name in path:
        if not isinstance(body.get(name), dict):
            body[name] = {}
        body = body[name]
    return body


def _dotted(path):
    return ".".join(path)
