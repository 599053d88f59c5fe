"""The worker of a cheating provider: its package is genuine, but one bit of one weight is flipped.

Only the development network starts it, to show that such a cheat is found. Run as
`python -m aivm.devnet.cheat ENGINE THREADS`, in place of `aivm.workers.worker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aivm.packages import PackageProgram
from aivm.workers.worker import Worker, main

Array = np.ndarray[Any, Any]
FLIPPED_BIT = 1 << 22  # the highest bit of the mantissa


class CheatingWorker(Worker):
    """Answers quickly, signs willingly, computes something else."""

    def constants(self, found: PackageProgram) -> Sequence[Array]:
        constants = list(super().constants(found))
        chosen = max(
            index
            for index, array in enumerate(constants)
            if array.dtype == np.float32 and array.ndim >= 2
        )
        weights = np.array(constants[chosen])
        weights.reshape(-1).view(np.uint32)[0] ^= FLIPPED_BIT
        constants[chosen] = weights
        return constants


if __name__ == "__main__":
    main(CheatingWorker)
