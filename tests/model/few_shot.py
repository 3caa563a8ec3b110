"""Questions with the programs that answer them, for a model that only goes on with what it reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shot:
    """A question, the programs that were written for it with what they put out, and the answer."""

    question: str
    steps: tuple[tuple[str, str], ...]
    answer: str

    def __str__(self) -> str:
        steps = "".join(f"```python\n{code}\n```\nOutput:\n```\n{output}\n```\n" for code, output in self.steps)
        return f"{question(self.question)}{steps}Answer: {self.answer}\n\n"


def question(text: str) -> str:
    """A question, as the shots have it."""
    return f"Question: {text}\n"


def _at_once(text: str, code: str, answer: str) -> Shot:
    return Shot(text, ((code, answer),), answer)


def _repaired(text: str, code: str, missing: str, answer: str) -> Shot:
    mended = f"import math\n{code.replace(missing, f'math.{missing}')}"
    return Shot(text, ((code, f"NameError: name '{missing}' is not defined"), (mended, answer)), answer)


ARITHMETIC = "".join(
    map(
        str,
        (
            _at_once("What is 12 times 7?", "print(12 * 7)", "84"),
            _at_once("What is 5031 minus 977?", "print(5031 - 977)", "4054"),
            _at_once("What is the sum of the numbers from 1 to 10?", "print(sum(range(1, 11)))", "55"),
            _at_once("What is 3 to the power of 20?", "print(3 ** 20)", "3486784401"),
        ),
    )
)
REPAIRS = "".join(
    map(
        str,
        (
            _repaired("What is the square root of 1522756?", "print(sqrt(1522756))", "sqrt", "1234.0"),
            _at_once("What is 12 times 7?", "print(12 * 7)", "84"),
            _repaired("What is the square root of 60025?", "print(sqrt(60025))", "sqrt", "245.0"),
        ),
    )
)
