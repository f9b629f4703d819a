"""What a verification finds: the stable schema of `polydetox verify --json`."""

from pydantic import BaseModel, Field


class Mismatch(BaseModel, frozen=True):
    """One thing that is not as the record says."""

    kind: str = Field(description="file, lock, graph, param, git or mirror: which record it disagrees with")
    where: str = Field(description="file, or file and key")
    expected: str
    found: str
    advice: str

    def line(self) -> str:
        """The mismatch on one line."""
        return f"{self.kind}: {self.where}: expected {self.expected}, found {self.found}; {self.advice}"


class Verification(BaseModel):
    """Everything that was compared, and what did not agree."""

    version: int = 1
    checked: int = Field(default=0, description="comparisons made")
    mismatches: list[Mismatch] = []
    notes: list[str] = Field(default=[], description="what could not be compared, and why that is no mismatch")

    def compare(self, kind: str, where: str, expected: object, found: object, advice: str) -> bool:
        """Counts one comparison and keeps it if the two differ; whether they agree."""
        self.checked += 1
        if expected == found:
            return True
        self.add(kind, where, expected, found, advice)
        return False

    def add(self, kind: str, where: str, expected: object, found: object, advice: str) -> None:
        """Keeps a mismatch, once."""
        one = Mismatch(kind=kind, where=where, expected=_line(expected), found=_line(found), advice=advice)
        if one not in self.mismatches:
            self.mismatches.append(one)

    def lines(self) -> list[str]:
        """One line per mismatch and note, and a last one that sums up."""
        total = f"{len(self.mismatches)} mismatches" if self.mismatches else "all as recorded"
        notes = [f"note: {note}" for note in self.notes]
        return [*(one.line() for one in self.mismatches), *notes, f"{self.checked} comparisons: {total}"]


def _line(value: object) -> str:
    return "nothing" if value is None else " ".join(str(value).split()) or "''"
