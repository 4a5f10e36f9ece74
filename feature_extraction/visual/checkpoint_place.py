"""Where the weights of a network lie below tools/, and where to get them when they do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError


@dataclass(frozen=True)
class CheckpointPlace:
    """A file below tools/.

    Attributes:
        folder: below tools/.
        pattern: of the file's name (glob).
        origin: where the original offers it, for the message when it is missing.
        flag: of the script, that names another file.
    """

    folder: str
    pattern: str
    origin: str
    flag: str = "--checkpoint"

    def find(self, checkpoint: str | Path | None = None, tools: Path | None = None) -> Path:
        """The file: `checkpoint` when given, else the one below `tools` (default: the toolkit's).

        Raises:
            UserError: there is none, or more than one.
        """
        if checkpoint is not None:
            path = Path(checkpoint).expanduser().resolve()
            if not path.is_file():
                fault = f"is a folder; {self.flag} takes the file" if path.is_dir() else "does not exist"
                raise UserError(f"{path} {fault}; the original: {self.origin}")
            return path
        folder = (tools or PATH_TO_PRETRAINED_MODELS) / self.folder
        found = sorted(path for path in folder.glob(self.pattern) if path.is_file())
        if not found:
            name = folder / self.pattern
            fault = f"{folder} holds no {self.pattern}" if "*" in self.pattern else f"{name} does not exist"
            raise UserError(f"{fault}; put it there, or name it with {self.flag}. The original: {self.origin}")
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise UserError(f"{folder} holds several checkpoints ({names}); name the right one with {self.flag}")
        return found[0]
