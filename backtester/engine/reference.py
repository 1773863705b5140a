"""Handing many arrays to a helper as one address.

numba passes a named tuple of arrays by value, seven numbers an array: 155 arguments for `Market` and `Worlds`, at every
call that is not inlined. An entry point therefore makes references of the two, and its helpers are compiled for those.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_builtin, lower_getattr_generic, register_model, type_callable


def by_reference(values: Any) -> Any:
    """A named tuple of arrays → its Reference, good until the calling kernel returns (in plain Python: the tuple)."""
    return values


class Reference(types.Type):
    """Address of a named tuple; it has the attributes of the tuple."""

    def __init__(self, values: Any) -> None:
        self.values = values
        super().__init__(f"Reference({values.instance_class.__name__})")

    @property
    def key(self) -> Any:
        """What two equal references share: the tuple's type, not its name alone."""
        return self.values

    def index(self, name: str) -> int:
        """Place of a field in the tuple."""
        place: int = self.values.fields.index(name)
        return place


@register_model(Reference)
class _ReferenceModel(PrimitiveModel):
    def __init__(self, models: Any, reference: Reference) -> None:
        super().__init__(models, reference, models[reference.values].get_data_type().as_pointer())


@type_callable(by_reference)
def _type_reference(_):
    def reference_to(values):
        return Reference(values)

    return reference_to


@lower_builtin(by_reference, types.BaseNamedTuple)
def _store(context, builder, signature, arguments):
    """The tuple goes to the stack of the calling kernel."""
    values = signature.args[0]
    address = cgutils.alloca_once(builder, context.get_data_type(values))
    context.pack_value(builder, values, arguments[0], address)
    return address


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Reference

    def resolve(self, value, attr):
        return value.values[value.index(attr)]


@lower_getattr_generic(Reference)
def _load(context, builder, reference, address, name):
    index = reference.index(name)
    field = cgutils.gep_inbounds(builder, address, 0, index)
    return context.unpack_value(builder, reference.values[index], field)
