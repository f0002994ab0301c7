"""Where stored features are, how large they are, and throwing away what is not used."""

from dataclasses import asdict, dataclass
from typing import Any

from fovea.errors import InputError
from fovea.features import CacheFacts, clear_cache, describe_cache


@dataclass(frozen=True, slots=True)
class Config:
    """What to clear, if anything; `fovea cache` has an option for each.

    `clear`: features not used for `unused_days`; `encoder`: only those whose fingerprint begins so; `backbones`:
    converted networks too, which need torch to be made again.
    """

    clear: bool = False
    unused_days: int = 0
    encoder: str | None = None
    backbones: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What the cache folder holds now, and how many bytes became free."""

    facts: CacheFacts
    n_freed_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values; times are seconds since 1970."""
        facts = self.facts
        return {
            "folder": str(facts.folder),
            "store": str(facts.store),
            "n_store_bytes": facts.n_store_bytes,
            "n_indexes": facts.n_indexes,
            "n_index_bytes": facts.n_index_bytes,
            "n_backbones": facts.n_backbones,
            "n_backbone_bytes": facts.n_backbone_bytes,
            "encoders": [asdict(one) for one in facts.encoders],
            "n_freed_bytes": self.n_freed_bytes,
            "notes": list(facts.notes),
        }

    def _repr_html_(self) -> str:
        from fovea.pages import render_facts_fragment

        facts = self.facts
        n_bytes = facts.n_store_bytes + facts.n_index_bytes + facts.n_backbone_bytes
        return render_facts_fragment(
            f"{n_bytes / 1e6:,.1f} MB in {facts.folder}.",
            facts=[
                *((one.name, f"{one.n_rows:,} rows, {one.n_bytes / 1e6:,.1f} MB") for one in facts.encoders),
                ("indexes", f"{facts.n_indexes:,}, {facts.n_index_bytes / 1e6:,.1f} MB"),
                ("converted networks", f"{facts.n_backbones:,}, {facts.n_backbone_bytes / 1e6:,.1f} MB"),
            ],
            sentences=facts.notes,
        )


def run(config: Config) -> Result:
    """Clear what `config` says, and say what is there.

    Raises:
        InputError: no encoder's fingerprint begins as `config.encoder` does.
        StoreError: the store cannot be read or written.
    """
    freed = None
    if config.clear:
        _require_known(config.encoder)
        freed = clear_cache(
            unused_days=config.unused_days, fingerprint=config.encoder, backbones=config.backbones
        )
    return Result(describe_cache(), freed)


def _require_known(encoder: str | None) -> None:
    if encoder is None:
        return
    stored = [one.fingerprint for one in describe_cache().encoders]
    if not encoder or not any(fingerprint.startswith(encoder) for fingerprint in stored):
        there = ", ".join(fingerprint[:12] for fingerprint in stored) or "none"
        raise InputError(
            f"No stored features are of an encoder whose fingerprint begins with {encoder!r}. There are: {there}. "
            "`fovea cache` lists them."
        )
