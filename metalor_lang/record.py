"""Data classes as the standard library's, whose methods are made when they are first called.

Invariant: `dataclass`, `field`, `fields`, `replace` and `asdict` are those of `dataclasses` to whoever uses them
(equality, order, hash, repr, errors, pickling), as far as this package uses them.

`dataclasses` compiles six methods for every frozen class at its definition: half a millisecond each, which for the
two hundred of this package is most of what a short command does. Type checkers read the standard library's.
"""

import sys

from metalor_lang.hints import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from dataclasses import FrozenInstanceError as FrozenInstanceError
    from dataclasses import asdict as asdict
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
else:
    _MISSING = object()
    _SPECS = "__record_fields__"

    class _Field:
        """What `field()` was told, and then its name and type."""

        __slots__ = ("compare", "default", "factory", "hash", "init", "kw_only", "name", "repr", "type")

        def __init__(self, default, factory, init, repr, compare, hash):
            self.default, self.factory = default, factory
            self.init, self.repr, self.compare = init, repr, compare
            self.hash = compare if hash is None else hash
            self.name, self.type, self.kw_only = "", None, False

        @property
        def has_default(self):
            return self.default is not _MISSING or self.factory is not _MISSING

    def field(*, default=_MISSING, default_factory=_MISSING, init=True, repr=True, compare=True, hash=None):
        """As `dataclasses.field`."""
        return _Field(default, default_factory, init, repr, compare, hash)

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, order=False):
        """As `dataclasses.dataclass`."""
        if cls is None:
            return lambda cls: _make(cls, frozen, slots, kw_only, order)
        return _make(cls, frozen, slots, kw_only, order)

    def replace(record, /, **changes):
        """As `dataclasses.replace`."""
        for each in getattr(record, _SPECS):
            if not each.init:
                if each.name in changes:
                    raise ValueError(f"field {each.name} is declared with init=False, it cannot be specified")
            elif each.name not in changes:
                changes[each.name] = getattr(record, each.name)
        return record.__class__(**changes)

    def fields(record, /):
        """The fields of a record or of its class, in order; each has a `name` and a `type`."""
        return getattr(record, _SPECS)

    def asdict(record, /):
        """As `dataclasses.asdict`, but what is neither a record nor a container of some is given as it is."""
        return {each.name: _plain(getattr(record, each.name)) for each in getattr(record, _SPECS)}

    def _plain(value):
        if hasattr(type(value), _SPECS):
            return asdict(value)
        if isinstance(value, (tuple, list)):
            return type(value)(map(_plain, value))
        if isinstance(value, dict):
            return {key: _plain(item) for key, item in value.items()}
        return value

    def __getattr__(name):
        # The error is the standard library's own, whose import costs more than most commands: only who asks pays.
        if name == "FrozenInstanceError":
            from dataclasses import FrozenInstanceError

            return FrozenInstanceError
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def _is_class_variable(kind):
        typing = sys.modules.get("typing")  # nobody has its marks who has not imported it
        return kind is ClassVar or (typing is not None and typing.ClassVar in (kind, getattr(kind, "__origin__", None)))

    def _make(cls, frozen, slots, kw_only, order):
        own = cls.__dict__
        fields = {}
        for base in reversed(cls.__mro__[1:]):
            for each in base.__dict__.get(_SPECS, ()):
                fields[each.name] = each
        defaults = {}
        for name, kind in own.get("__annotations__", {}).items():
            if _is_class_variable(kind):
                continue
            given = own.get(name, _MISSING)
            each = given if isinstance(given, _Field) else _Field(given, _MISSING, True, True, True, None)
            each.name, each.type, each.kw_only = name, kind, kw_only
            fields[name] = each
            if each.default is not _MISSING:
                defaults[name] = each.default
        _in_order(cls, fields.values())
        body = dict(own)
        for name in own.get("__annotations__", {}):
            if name in fields:
                body.pop(name, None)
        if slots:
            taken = {name for base in cls.__mro__[1:] for name in getattr(base, "__slots__", ())}
            body["__slots__"] = tuple(name for name in fields if name not in taken)
            body.pop("__dict__", None)
            body.pop("__weakref__", None)
        else:
            body.update(defaults)
        specs = tuple(fields.values())
        body[_SPECS] = specs
        body["__dataclass_fields__"] = _STANDARD
        body["__match_args__"] = tuple(each.name for each in specs if each.init and not each.kw_only)
        _methods(body, frozen, order)
        if not slots:
            for name, value in body.items():
                if name not in ("__dict__", "__weakref__") and own.get(name, _MISSING) is not value:
                    setattr(cls, name, value)
            for name in set(own) - set(body):
                delattr(cls, name)
            return cls
        body["__qualname__"] = cls.__qualname__
        return type(cls)(cls.__name__, cls.__bases__, body)

    def _in_order(cls, fields):
        before = None
        for each in fields:
            if not each.init or each.kw_only:
                continue
            if before is not None and not each.has_default:
                raise TypeError(f"non-default argument {each.name!r} follows default argument")
            if each.has_default:
                before = each

    def _methods(body, frozen, order):
        body.setdefault("__init__", _first_init)
        body.setdefault("__repr__", _first_repr)
        own_hash = "__hash__" in body and not (body["__hash__"] is None and "__eq__" in body)
        body.setdefault("__eq__", _first_eq)
        if frozen:
            body["__setattr__"], body["__delattr__"] = _refuse_set, _refuse_del
            body["__getstate__"], body["__setstate__"] = _state, _set_state
        if not own_hash:
            body["__hash__"] = _first_hash if frozen else None
        if order:
            for name in ("__lt__", "__le__", "__gt__", "__ge__"):
                body[name] = _ordering(name)

    # --- methods that replace themselves by compiled ones at the first call ------------------------------------------

    def _install(cls, name, first, source, values):
        owner = next((each for each in cls.__mro__ if each.__dict__.get(name) is first), None)
        if owner is None:  # another thread was quicker
            return getattr(cls, name)
        space = {}
        exec(source(owner, values), values, space)
        made = space[name]
        made.__qualname__ = f"{owner.__qualname__}.{name}"
        made.__module__ = owner.__module__
        setattr(owner, name, made)
        return made

    _OFTEN = 6
    """Compiling a method takes as long as filling so many records field by field."""

    def _first_init(self, *args, **kwargs):
        owner = next((each for each in type(self).__mro__ if each.__dict__.get("__init__") is _first_init), None)
        if owner is not None and (filled := _FILLED.get(owner, 0)) < _OFTEN and _fill(self, owner, args, kwargs):
            _FILLED[owner] = filled + 1
        else:
            _install(type(self), "__init__", _first_init, _init_source, {})(self, *args, **kwargs)

    _FILLED = {}
    """How many records of a class were made before its `__init__` was worth compiling."""

    def _fill(record, owner, args, kwargs):
        """Do what `__init__` does; gives False, and has done nothing, where the arguments are wrong."""
        specs = getattr(owner, _SPECS)
        plain = [each for each in specs if each.init and not each.kw_only] if args else ()
        given = {each.name: value for each, value in zip(plain, args)}
        if len(args) > len(plain) or not kwargs.keys().isdisjoint(given):
            return False
        given.update(kwargs)
        values, taken = [], 0
        for each in specs:
            if each.init and each.name in given:
                values.append((each.name, given[each.name]))
                taken += 1
            elif each.factory is not _MISSING:
                values.append((each.name, each.factory()))
            elif each.default is not _MISSING:
                values.append((each.name, each.default))
            elif each.init:
                return False
        if taken < len(given):
            return False
        put = object.__setattr__ if owner.__dict__.get("__setattr__") is _refuse_set else setattr
        for name, value in values:
            put(record, name, value)
        if hasattr(owner, "__post_init__"):
            record.__post_init__()
        return True

    def _first_eq(self, other):
        return _install(type(self), "__eq__", _first_eq, _eq_source, {})(self, other)

    def _first_hash(self):
        return _install(type(self), "__hash__", _first_hash, _hash_source, {})(self)

    def _init_source(owner, values):
        plain, named, lines = [], [], []
        frozen = owner.__dict__.get("__setattr__") is _refuse_set
        slots = "__slots__" in owner.__dict__
        for at, each in enumerate(getattr(owner, _SPECS)):
            name, value = each.name, each.name
            if each.factory is not _MISSING:
                values[f"_f{at}"] = each.factory
                values["_missing"] = _MISSING
                value = f"_f{at}() if {name} is _missing else {name}" if each.init else f"_f{at}()"
            elif not each.init:
                if each.default is _MISSING:
                    continue
                values[f"_d{at}"] = each.default
                value = f"_d{at}"
            if each.init:
                default = ""
                if each.factory is not _MISSING:
                    default = "=_missing"
                elif each.default is not _MISSING:
                    values[f"_d{at}"] = each.default
                    default = f"=_d{at}"
                (named if each.kw_only else plain).append(name + default)
            if frozen and slots:
                # The slot's own setter is the quickest way past a `__setattr__` that refuses.
                values[f"_s{at}"] = getattr(owner, name).__set__
                lines.append(f"_s{at}(self, {value})")
            elif frozen:
                values["_set"] = object.__setattr__
                lines.append(f"_set(self, {name!r}, {value})")
            else:
                lines.append(f"self.{name} = {value}")
        if hasattr(owner, "__post_init__"):
            lines.append("self.__post_init__()")
        arguments = ", ".join(["self", *plain, *(["*", *named] if named else [])])
        return f"def __init__({arguments}):\n " + "\n ".join(lines or ["pass"])

    def _tuple_of(owner, prefix, wanted):
        names = [each.name for each in getattr(owner, _SPECS) if wanted(each)]
        return "(" + "".join(f"{prefix}.{name}, " for name in names) + ")"

    def _eq_source(owner, values):
        mine, theirs = (_tuple_of(owner, each, lambda field: field.compare) for each in ("self", "other"))
        return (
            "def __eq__(self, other):\n"
            " if other.__class__ is self.__class__:\n"
            f"  return {mine} == {theirs}\n"
            " return NotImplemented"
        )

    def _hash_source(owner, values):
        return f"def __hash__(self):\n return hash({_tuple_of(owner, 'self', lambda field: field.hash)})"

    _OPERATORS = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}

    def _ordering(name):
        def source(owner, values):
            mine, theirs = (_tuple_of(owner, each, lambda field: field.compare) for each in ("self", "other"))
            return (
                f"def {name}(self, other):\n"
                " if other.__class__ is self.__class__:\n"
                f"  return {mine} {_OPERATORS[name]} {theirs}\n"
                " return NotImplemented"
            )

        def first(self, other):
            return _install(type(self), name, first, source, {})(self, other)

        return first

    def _first_repr(self):
        shown = [each.name for each in getattr(self, _SPECS) if each.repr]
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({inside})"

    # --- methods that all frozen records share ----------------------------------------------------------------------

    def _refuse_set(self, name, value):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_del(self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _state(self):
        return [getattr(self, each.name) for each in getattr(self, _SPECS)]

    def _set_state(self, state):
        for each, value in zip(getattr(self, _SPECS), state):
            object.__setattr__(self, each.name, value)

    class _Standard:
        """`__dataclass_fields__`, for the functions of `dataclasses`: made by `dataclasses` itself when they ask."""

        def __get__(self, instance, cls):
            import dataclasses

            made = []
            for each in getattr(cls, _SPECS):
                options = {"init": each.init, "repr": each.repr, "compare": each.compare, "hash": each.hash}
                if each.default is not _MISSING:
                    options["default"] = each.default
                if each.factory is not _MISSING:
                    options["default_factory"] = each.factory
                made.append((each.name, each.type, dataclasses.field(kw_only=each.kw_only, **options)))
            fields = dataclasses.make_dataclass(cls.__name__, made).__dataclass_fields__
            cls.__dataclass_fields__ = fields
            return fields

    _STANDARD = _Standard()
