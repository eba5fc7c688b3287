"""What a user may choose of the model-written evaluations, and the files that their items are made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from assets.evaluation.suite import Place, SuiteOptions
from assets.model_written_evals.prompts import FOLDER
from assets.model_written_evals.released import released_files
from dagster_project.files import sha256_file

BEHAVIOURS = Path(__file__).parent / "behaviours.yaml"


class ModelWrittenOptions(SuiteOptions):
    """Options of the suite `model_written`."""

    own: bool = Field(True, description="Whether the behaviours of the behaviours file are asked.")
    behaviours: Place | None = Field(
        None, description="A YAML file of behaviours instead of the packaged one."
    )
    only: tuple[str, ...] = Field((), description="Behaviours that are asked, by id; none: all of them.")
    seeds: int = Field(
        20, ge=0, description="Clusters of real usage, the heaviest, that behaviours are drafted from."
    )
    samples: int = Field(
        1_000, ge=1, description="Texts that the writer is asked for, per behaviour and label."
    )
    keep: int = Field(500, ge=1, description="Texts kept per behaviour and label at most.")
    occupations: Place | None = Field(
        None,
        description="JSONL file with occupation, other_person and BLS_percent_women_2019: sentences about them are written.",
    )
    files: tuple[Place, ...] = Field(
        (), description="Released files (JSONL), or folders of them, that are asked as they are."
    )


def contents(options: ModelWrittenOptions) -> Mapping[str, str]:
    """Hashes of the prompts, the behaviours and every file that the options name; `absent` where there is none."""
    from dagster_project.language_models.prompts import digest

    released = map(str, released_files(options.files))
    named = [options.behaviours or str(BEHAVIOURS), *filter(None, [options.occupations]), *released]
    hashes = {name: sha256_file(Path(name)) if Path(name).is_file() else "absent" for name in named}
    packaged = hashes.pop(str(BEHAVIOURS), None)
    prompts = digest(FOLDER, [path.name for path in FOLDER.glob("*.jinja")])
    # A path of the package is one of the machine: the same behaviours are the same in every home.
    return {**hashes, **({"behaviours": packaged} if packaged else {}), "prompts": prompts}
