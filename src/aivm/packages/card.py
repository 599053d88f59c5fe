"""A package's model card, made from its manifest: what is verified apart from what is only said.

Whatever comes from the publisher is quoted or escaped, so that it can neither look like a verified
fact nor run or load anything where the card is shown.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from markdown_it import MarkdownIt

from aivm.packages.claims import Claims
from aivm.packages.entries import Interface, Port, Role
from aivm.packages.manifest import Manifest, manifest_cid
from aivm.packages.package import Package

MAX_CARD_BYTES = 1 << 20
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
td, th { border: 1px solid #8888; padding: .2rem .6rem; text-align: left; vertical-align: top }
blockquote { border-left: 4px solid #8888; margin-left: 0; padding-left: 1rem }
code { font-size: 85%; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } a { color: #8cf } }
"""


def markdown_card(package: Package, signers: Sequence[str]) -> str:
    """The card of an opened package as Markdown; `signers` are the keys of its envelope."""
    manifest = package.manifest
    lines = [
        f"# {escaped(manifest.name)} {escaped(manifest.version)}",
        "",
        *_verified(package, signers),
        *_said(manifest),
        *_own_card(package),
    ]
    return "\n".join(lines).rstrip() + "\n"


def html_card(title: str, markdown: str) -> str:
    """The same as one page that loads nothing from anywhere."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f"{renderer.render(markdown)}</html>\n"
    )


def escaped(text: str) -> str:
    """Text of anybody on one line, with nothing in it that Markdown would read as its own."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _verified(package: Package, signers: Sequence[str]) -> Iterator[str]:
    manifest = package.manifest
    yield "## Verified"
    yield ""
    yield "Checked, byte for byte, when this card was made."
    yield ""
    others = [signer for signer in signers if signer != manifest.publisher]
    facts = [
        ("model id", f"`{package.model_id.hex()}`"),
        ("manifest", f"`{manifest_cid(package.model_id)}`"),
        ("signed by the publisher", f"`{manifest.publisher}`"),
        ("signed by others", ", ".join(f"`{signer}`" for signer in others)),
        ("files", f"{len(manifest.files)}, {sum(f.size for f in manifest.files):,} bytes"),
        ("constants", f"{len(manifest.constants)} tensors"),
        ("arithmetic", f"numerics {manifest.numerics}, the same bits on every engine"),
        ("memory", f"{manifest.memory_bytes:,} bytes"),
        ("custom code", ", ".join(f"{m.role} `{m.name}`" for m in manifest.modules)),
        ("source", "in the package" if manifest.paths(Role.SOURCE) else "not in the package"),
    ]
    yield from _table(("fact", ""), [fact for fact in facts if fact[1]])
    yield from _table(
        ("program", "takes", "gives", "gas units", "root"),
        [
            (
                f"`{entry.name}`",
                _ports(entry.inputs),
                _ports(entry.outputs),
                f"{entry.gas_units:,}",
                f"`{entry.program.hex()}`",
            )
            for entry in manifest.entries
        ],
    )


def _said(manifest: Manifest) -> Iterator[str]:
    claims = manifest.claims
    yield "## The publisher's word"
    yield ""
    yield "Nothing below can be proved from the package."
    yield ""
    yield from _quoted(manifest.description)
    yield from _table(("", ""), [fact for fact in _facts(manifest) if fact[1]])
    tensors = [
        (f"{kind} {escaped(tensor.name)}", _interface(tensor), escaped(tensor.meaning))
        for kind, group in (("input", manifest.inputs), ("output", manifest.outputs))
        for tensor in group
    ]
    yield from _table(("tensor", "type", "meaning"), tensors)
    for title, text in (
        ("Intended use", claims.card.intended_use),
        ("Out of scope", claims.card.out_of_scope),
        ("Limitations", claims.card.limitations),
        ("Ethics", claims.card.ethics),
    ):
        if text:
            yield from (f"### {title}", "")
            yield from _quoted(text)
    yield from _training(claims)
    if claims.metrics:
        yield from ("### Metrics", "")
        names = ("kind", "name", "value", "unit", "dataset", "note", "report")
        rows = [tuple(escaped(str(getattr(m, name))) for name in names) for m in claims.metrics]
        yield from _table(names, rows)


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    claims = manifest.claims
    bases = [f"{base.relation} of {base.name or base.manifest}" for base in claims.base_models]
    quantised = claims.quantization.scheme if claims.quantization else ""
    gpu = f"{claims.gpu.memory_bytes:,} bytes" if claims.gpu.memory_bytes else ""
    facts = [
        ("task", manifest.task),
        ("licence", manifest.license),
        ("licence's text", ", ".join(manifest.paths(Role.LICENSE))),
        ("created", manifest.created),
        ("supersedes", manifest.supersedes.hex() if manifest.supersedes else ""),
        ("authors", ", ".join(claims.authors)),
        ("homepage", claims.homepage),
        ("tags", ", ".join(claims.tags)),
        ("languages", ", ".join(claims.languages)),
        ("architecture", claims.architecture),
        ("parameters", f"{claims.parameters:,}" if claims.parameters else ""),
        ("made from", ", ".join(bases)),
        ("needs", ", ".join(f"{each.name} {each.version}" for each in claims.dependencies)),
        ("quantised", quantised),
        ("GPU", " ".join(filter(None, (gpu, claims.gpu.note)))),
    ]
    return [(name, escaped(text)) for name, text in facts]


def _training(claims: Claims) -> Iterator[str]:
    training = claims.training
    if not (training.statement or training.datasets):
        return
    yield from ("### Training data", "")
    yield from _quoted(training.statement)
    names = ("name", "version", "license", "url", "sha256", "note")
    rows = [tuple(escaped(getattr(data, name)) for name in names) for data in training.datasets]
    yield from _table(names, rows)


def _own_card(package: Package) -> Iterator[str]:
    """The files of role card, quoted line by line."""
    for path in package.manifest.paths(Role.CARD):
        yield from (f"## The publisher's own card: {escaped(path)}", "")
        content = package.read(path)
        if len(content) > MAX_CARD_BYTES:
            yield from (f"It has {len(content):,} bytes and is not shown here.", "")
            continue
        text = content.decode("utf-8", "replace").replace("<", "\\<")
        yield from (f"> {_printable(line)}".rstrip() for line in text.splitlines())
        yield ""


def _quoted(text: str) -> Iterator[str]:
    if text:
        yield from (f"> {escaped(line)}".rstrip() for line in text.splitlines())
        yield ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table without the columns that are empty in every row."""
    listed = [tuple(map(_printable, row)) for row in rows]
    if not listed:
        return
    kept = [at for at in range(len(heads)) if any(row[at] for row in listed)]
    yield f"| {' | '.join(heads[at] for at in kept)} |"
    yield f"|{'---|' * len(kept)}"
    for row in listed:
        yield f"| {' | '.join(row[at] for at in kept)} |"
    yield ""


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _ports(ports: Sequence[Port]) -> str:
    return ", ".join(
        f"{escaped(port.name)} {port.dtype.name.lower()}{_shape(port.shape)}" for port in ports
    )


def _interface(tensor: Interface) -> str:
    return f"{tensor.dtype.name.lower()}{_shape(tensor.shape)}"


def _shape(sizes: Sequence[int | str]) -> str:
    return f"\\[{', '.join(escaped(str(size)) for size in sizes)}\\]"
