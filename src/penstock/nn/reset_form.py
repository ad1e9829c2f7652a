"""What ``GRU`` and ``GRUCell`` share: the mark by which weights say which form they belong to, and their packing."""

import copyreg
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch._guards import TracingContext
from torch.compiler import is_compiling

from penstock.nn.checks import check_reset_form
from penstock.nn.graphs import refuse_older_onnx
from penstock.nn.seen_as import behind, seen_as

Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]

MARK = "reset_after"
OF_FORM = "_penstock_reset"
"""The attribute of a parameter that says so too: ``named_parameters()`` holds no mark."""


class ResetForm(nn.Module):
    """A module whose weights mean one function with ``reset="before"`` and another with ``reset="after"``.

    Its buffer ``reset_after``, 1.0 or 0.0, is the mark: part of every saved state, and its own average. Loading a
    state of the other form is an error that changes no weight. A state without a mark is taken for that of
    ``torch.nn.GRU`` or ``torch.nn.GRUCell``, which is ``"after"``. Weights that come by other ways bring their mark
    along, and the next call raises.
    """

    torchs: ClassVar[type[nn.Module]]
    """The class of torch that computes ``reset="after"``."""
    bias: bool
    _all_weights: list[list[str]]
    """Of each layer and direction: the names of weight_ih, weight_hh and, if there are any, bias_ih and bias_hh."""
    _seen: tuple[Tensor | None, int | None] = (None, None)
    """The mark that was read, and its version."""
    _packing: Any = None
    """Inside ``penstock.packed``, its ``Packing``."""
    __jit_unused_properties__: ClassVar[list[str]] = ["all_weights", "_flat_weights"]
    __jit_ignored_attributes__: ClassVar[list[str]] = ["_seen", "_packing"]

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        """Of a face there are no instances."""
        return super().__new__(behind(cls))

    def __init__(self, reset: str, device: Any) -> None:
        super().__init__()
        check_reset_form(reset)
        self.reset = reset
        self.register_buffer(MARK, torch.tensor(self._mark, dtype=torch.float32, device=device))

    @property
    def _mark(self) -> float:
        return float(self.reset == "after")

    def _get_class(self) -> type:
        cls = type(self)
        if self.__dict__.get("reset") != "after" or TracingContext.try_get() is not None:
            return cls
        return seen_as(cls, self.torchs)  # type: ignore[arg-type]

    def _set_class(self, cls: type) -> None:
        object.__dict__["__class__"].__set__(self, behind(cls))

    __class__ = property(_get_class, _set_class)

    def __reduce_ex__(self, protocol: Any) -> Any:
        make, *state = tuple(super().__reduce_ex__(max(2, protocol)))
        return (_blank if make is copyreg.__newobj__ else make, *state)  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_seen", "_packing")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._mark_parameters()

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """As of every module; the parameter is marked."""
        super().register_parameter(name, param)
        if param is not None:
            setattr(param, OF_FORM, self.reset)

    def _mark_parameters(self) -> None:
        for parameter in self._parameters.values():
            if parameter is not None:
                setattr(parameter, OF_FORM, self.reset)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """As of every module; then the mark is written anew: ``to_empty()`` leaves anything there."""
        self._check_mark()
        before = self._buffers[MARK]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        mark = self._buffers[MARK]
        if mark is not None and mark is not before:
            with torch.no_grad():
                mark.fill_(self._mark)
        self._mark_parameters()
        return self

    def _check_mark(self) -> None:
        """Raises RuntimeError if weights of the other form were put here by other ways than ``load_state_dict``.

        Of a mark that is as it was, nothing is read; of one on a GPU, where reading waits, only another object counts.
        """
        mark = self._buffers[MARK]
        seen, version = self._seen
        if mark is None or (mark is seen and (version is None or mark._version == version)):
            return
        if (value := _value(mark)) is None:
            return
        if not _alike(value, self._mark):
            raise RuntimeError(f"{type(self).__name__}: {self._refusal(value, 'its weights are of')}")
        versioned = mark.is_cpu and not mark.is_inference()
        self._seen = (mark, mark._version if versioned else None)

    def _refusal(self, value: float, what: str) -> str:
        other = "before" if self.reset == "after" else "after"
        if not _alike(value, 1 - self._mark):
            return f'{MARK}: expected {self._mark}, which is reset="{self.reset}", got {value:.6g}, which is no form'
        return (
            f'this module is reset="{self.reset}", {what} reset="{other}". They are different functions and no '
            f'conversion is exact: construct the module with reset="{other}".'
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """As of every module, of a state of this form."""
        weights = (prefix + "weight_", prefix + "parametrizations.weight_")
        found = [value for name, value in state_dict.items() if name.startswith(weights)]
        mark = state_dict.get(prefix + MARK)
        if found or mark is not None:
            value = self._mark_of(mark, found)
            if value is not None and not _alike(value, self._mark):
                marked = mark is not None or any(hasattr(weight, OF_FORM) for weight in found)
                origin = "is of" if marked else "is not marked, as torch.nn.GRU's are not, which makes it"
                refusal = self._refusal(value, f"the saved state {origin}")
                error_msgs.append(f"{prefix.rstrip('.') or type(self).__name__}: {refusal}")
                return
            # exact, whatever rounding an average left; torch hands over a copy of the state
            like = mark if isinstance(mark, Tensor) else self._buffers[MARK]
            device = found[0].device if found and isinstance(found[0], Tensor) else None
            dtype = like.dtype if like is not None and like.is_floating_point() else torch.float32
            state_dict[prefix + MARK] = torch.tensor(self._mark, dtype=dtype, device=device)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        self._mark_parameters()

    @staticmethod
    def _mark_of(mark: Any, weights: list[Any]) -> float | None:
        """The mark of a saved state, or what its parameters say; of neither, torch's. None if it cannot be read."""
        if mark is not None:
            return _value(mark) if isinstance(mark, Tensor) else float(mark)
        forms = [form for weight in weights if (form := getattr(weight, OF_FORM, None))]
        return float("before" not in forms)

    def _enter(self) -> list[Any] | None:
        """What a call looks at before its arguments; the packed weights, where there are any."""
        if is_compiling():
            return None
        if torch._C._is_tracing():
            refuse_older_onnx(self)
        self._check_mark()
        if self._packing is None:
            return None
        self._packing.check(self)
        return self._packing.handles  # type: ignore[no-any-return]

    def _weights(self, names: list[str]) -> Weights:
        """weight_ih, weight_hh, bias_ih and bias_hh of one layer and direction; normed ones as attributes."""
        parameters: Mapping[str, Tensor | None] = self._parameters
        found = [w if (w := parameters.get(name)) is not None else getattr(self, name) for name in names]
        return found if self.bias else [*found, None, None]  # type: ignore[return-value]

    def _refuse_torch(self) -> None:
        """Raises ValueError unless a module of torch's can compute this."""
        if self.reset != "after":
            raise ValueError(
                f'reset: torch.nn.{self.torchs.__name__} computes reset="after" alone, this is reset="{self.reset}"; '
                "they are different functions and no conversion is exact"
            )


def _alike(value: float, mark: float) -> bool:
    """Whether ``value`` is an average of such marks, rounded; NaN is none."""
    return abs(value - mark) <= 0.01


def _value(mark: Tensor) -> float | None:
    """The mark's value, also inside ``torch.func`` transforms; None where it has none to read."""
    while torch._C._functorch.is_functorch_wrapped_tensor(mark):
        mark = torch._C._functorch.get_unwrapped(mark)
    mark = mark.to_local() if hasattr(mark, "to_local") else mark  # each process has all of it
    if type(mark) not in (Tensor, nn.Parameter) or mark.is_meta or is_compiling():
        return None
    traced = torch._C._get_tracing_state()
    # What is read here is no part of the graph that torch.jit draws.
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        bounds = torch.aminmax(mark.detach().double())  # of stacked modules there are several
        return (float(bounds.min) + float(bounds.max)) / 2
    finally:
        torch._C._set_tracing_state(traced)  # type: ignore[attr-defined]


def _blank(cls: type[ResetForm]) -> Any:
    """A module before its state is set; what ``copyreg.__newobj__`` does, which pickle holds to ``__class__``."""
    return cls.__new__(cls)
