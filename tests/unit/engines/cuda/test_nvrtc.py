"""The run-time compiler needs no GPU: whatever a program may need is compiled for every GPU."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from aivm import kernels
from aivm.engines.cuda import nvrtc
from aivm.engines.cuda.kernel import Kernel, source
from aivm.engines.cuda.nvrtc import Nvrtc
from aivm.engines.cuda.plan import plan_inference
from aivm.engines.cuda.products import GpuTarget
from aivm.errors import EngineUnavailable, InternalError
from aivm.isa import MatMul, Program, TensorType
from aivm.numerics.dtypes import DType
from aivm.testing import random_program

NVCC = shutil.which("nvcc")


@cache
def compiler() -> Nvrtc | None:
    try:
        return Nvrtc.find()
    except EngineUnavailable:
        return None


needs_nvrtc = pytest.mark.skipif(
    compiler() is None, reason="NVRTC is not installed (pip install 'aivm[cuda]')"
)


def product(m: int, n: int, k: int, dtype: DType) -> Program:
    result = DType.F32 if dtype is DType.F32 else DType.I32
    types = (TensorType(dtype, (m, k)), TensorType(dtype, (k, n)))
    return Program(types, (), (MatMul((0, 1), TensorType(result, (m, n))),), (2,))


def kernels_for(target: GpuTarget) -> list[Kernel]:
    """Those of random programs, and of products with every tile."""
    programs = [random_program(seed).program for seed in range(8)]
    programs += [
        product(size, size, 64, dtype)
        for size in (32, 500, 4096)
        for dtype in (DType.F32, DType.I8)
    ]
    found: dict[str, Kernel] = {}
    for program in programs:
        found |= plan_inference(program, target).kernels
    return list(found.values())


@needs_nvrtc
@pytest.mark.parametrize("capability", [(7, 5), (9, 0)])
def test_all_kernels_compile_to_machine_code(capability: tuple[int, int]) -> None:
    found = compiler()
    assert found is not None
    architecture = found.target_of(capability)
    assert architecture == f"sm_{capability[0]}{capability[1]}"
    text = source(kernels.cuda_source(), kernels_for(GpuTarget(capability, 132)))
    code = found.compile(text, architecture)
    assert code.image.startswith(b"\x7fELF")


@needs_nvrtc
def test_no_product_and_sum_are_contracted() -> None:
    """The PTX of the functions holds fused operations only where the specification has them."""
    found = compiler()
    assert found is not None
    body = "    float *x = (float *)a.at[0];\n    x[0] = ADD(MUL(x[1], x[2]), x[3]);\n"
    kernel = Kernel("rows", 32, 1, "addresses<1>", body)
    ptx = found.compile(source(kernels.cuda_source(), [kernel]), "compute_90").image.decode()
    assert "mul.rn.f32" in ptx
    assert "add.rn.f32" in ptx
    assert "fma" not in ptx.partition(".entry")[2]
    assert ".ftz" not in ptx


@needs_nvrtc
def test_a_newer_gpu_gets_portable_code_and_a_dropped_one_a_refusal() -> None:
    found = compiler()
    assert found is not None
    assert found.target_of((99, 0)) == f"compute_{found.architectures()[-1]}"
    with pytest.raises(EngineUnavailable, match=r"dropped compute capability 3\.5") as refusal:
        found.target_of((3, 5))
    assert "cu12" in refusal.value.hint


@needs_nvrtc
def test_what_does_not_compile_is_a_defect_with_the_compilers_words() -> None:
    found = compiler()
    assert found is not None
    with pytest.raises(InternalError, match="undefined_thing"):
        found.compile("__device__ int x = undefined_thing;", "sm_90")


def test_a_missing_compiler_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "_candidates", lambda: iter(["libnothing-of-the-kind.so"]))
    with pytest.raises(EngineUnavailable, match="NVRTC") as refusal:
        nvrtc._found.__wrapped__()
    assert "aivm[cuda]" in refusal.value.hint


@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")
def test_nvcc_takes_all_kernels_without_a_warning(tmp_path: Path) -> None:
    assert NVCC is not None
    file = tmp_path / "aivm.cu"
    file.write_text(source(kernels.cuda_source(), kernels_for(GpuTarget((8, 0), 108))))
    command = [NVCC, "-arch=sm_80", "-std=c++17", "--fmad=false", "-Werror=all-warnings"]
    command += ["-cubin", "-o", str(tmp_path / "aivm.cubin"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
