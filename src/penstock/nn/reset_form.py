"""The mark by which a saved state says which form of the GRU it belongs to."""

from typing import Any

import torch
from torch import nn

from penstock.nn.checks import check_reset_form


class ResetForm(nn.Module):
    """A module whose weights mean one function with ``reset="before"`` and another with ``reset="after"``.

    The saved state holds a bool ``reset_after``. Loading a state of the other form is an error that changes no weight;
    a state without the mark is taken for that of ``torch.nn.GRU`` or ``torch.nn.GRUCell``, which is ``"after"``.
    """

    def __init__(self, reset: str) -> None:
        super().__init__()
        check_reset_form(reset)
        self.reset = reset
        # an attribute and no buffer: to_empty(), averaging and the like do not touch it
        self.reset_after = torch.tensor(reset == "after", device="cpu")

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "reset_after"] = self.reset_after.clone()  # nobody else holds it

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
        mark = state_dict.pop(prefix + "reset_after", None)  # no tensor of the module; torch hands over a copy
        weights = (prefix + "weight_", prefix + "parametrizations.weight_")
        has_weights = any(name.startswith(weights) for name in state_dict)
        saved = "after" if mark is None or bool(mark) else "before"
        if (has_weights or mark is not None) and saved != self.reset:
            origin = "is not marked, as torch.nn.GRU's are not, which makes it" if mark is None else "is of"
            error_msgs.append(
                f'{prefix.rstrip(".") or type(self).__name__}: this module is reset="{self.reset}", the saved state '
                f'{origin} reset="{saved}". They are different functions and no conversion is exact: '
                f'construct the module with reset="{saved}".'
            )
            return
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
