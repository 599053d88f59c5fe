"""What the registry stores about a model's programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.unit.sessions.conftest import recurrent_model

from aivm.chain.account import Account
from aivm.commitments import merkle
from aivm.market.models import listed_programs, programs_root
from aivm.sessions import SessionPlan, generator_of, pack_session


def test_the_root_is_over_all_that_a_receipt_can_name(tmp_path: Path) -> None:
    about: Any = {"name": "demo/state", "version": "1.0.0", "license": "MIT", "created": 0}
    model, signer = recurrent_model("GRU", ("*", "*_next")), Account(b"\x07" * 32)
    info = pack_session(model, SessionPlan(), out_dir=tmp_path / "p", signer=signer, **about)
    programs = [entry.program for entry in info.manifest.entries]
    generation = generator_of(info.manifest).root
    assert programs_root(info.manifest) == merkle.root_of_leaves([*programs, generation])
    assert listed_programs(info.manifest) == (*programs, generation)
    plain = replace(info.manifest, session=None)
    assert programs_root(plain) == merkle.root_of_leaves(programs)
