"""Handing many arrays to a helper as one address.

numba passes a named tuple of arrays by value, seven numbers an array: 155 arguments for `Market` and `Worlds`, at every
call that is not inlined. An entry point therefore makes references of the two, and its helpers are compiled for those.
"""

from __future__ import annotations

from typing import Any

from numba import config, types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, register_model


class Reference(types.Type):
    """Address of a named tuple; it has the attributes of the tuple."""

    def __init__(self, values: types.NamedTuple) -> None:
        self.values = values
        super().__init__(f"Reference({values.instance_class.__name__}, {values._code})")

    def index(self, name: str) -> int:
        """Place of a field in the tuple."""
        return self.values.fields.index(name)


@register_model(Reference)
class _ReferenceModel(PrimitiveModel):
    def __init__(self, models: Any, reference: Reference) -> None:
        super().__init__(models, reference, models[reference.values].get_data_type().as_pointer())


@infer_getattr
class _ReferenceAttributes(AttributeTemplate):
    key = Reference

    def generic_resolve(self, reference: Reference, name: str) -> types.Type:
        return reference.values[reference.index(name)]


@lower_getattr_generic(Reference)
def _load(context: Any, builder: Any, reference: Reference, address: Any, name: str) -> Any:
    index = reference.index(name)
    field = cgutils.gep_inbounds(builder, address, 0, index)
    return context.unpack_value(builder, reference.values[index], field)


@intrinsic
def _address_of(_: Any, values: types.NamedTuple) -> Any:
    def store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = cgutils.alloca_once(builder, context.get_data_type(values))
        context.pack_value(builder, values, arguments[0], address)
        return address

    return Reference(values)(values), store


def _itself(values: Any) -> Any:
    return values


#: A named tuple of arrays → its Reference, good until the calling kernel returns. Without the JIT, the tuple itself.
by_reference = _itself if config.DISABLE_JIT else _address_of
