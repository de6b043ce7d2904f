"""Each proof at its smallest: enough to see that it works, and that what it proves still holds."""

import sys

import pytest

import proofs.__main__
from proofs.__main__ import PROOFS, main, prove
from proofs.proving import NotPossibleHereError


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.alone if proof.measures_speed else ()) for name, proof in PROOFS.items()],
)
def test_what_is_promised_holds(name: str) -> None:
    try:
        prove(name, PROOFS[name].brief)
    except NotPossibleHereError as error:
        pytest.skip(str(error))


def test_a_proof_that_breaks_is_not_proven_and_the_next_is_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = {"names": KeyError("a defect"), "disks": NotPossibleHereError("no disk"), "kills": None}

    def prove_nothing(name: str, size: int) -> None:
        assert size == PROOFS[name].brief
        outcome = outcomes[name]
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(proofs.__main__, "prove", prove_nothing)
    monkeypatch.setattr(sys, "argv", ["proofs", "--brief", *outcomes])
    assert main() == 1
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("NOT", "PROVEN"))]
    assert said[:2] == ["NOT PROVEN: KeyError('a defect')", "NOT RUN: no disk"]
    assert said[2].startswith("PROVEN in ")
    monkeypatch.setattr(sys, "argv", ["proofs", "--brief", "kills"])
    assert main() == 0
