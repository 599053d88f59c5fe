"""Licences by their SPDX identifiers."""

from __future__ import annotations

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from aivm.errors import MalformedPackage


def check_license(expression: str) -> None:
    """Raises MalformedPackage unless this is an SPDX expression in its usual spelling.

    Not part of reading a manifest: the list of identifiers grows, and what was published once must
    be readable by everybody.
    """
    try:
        usual = str(canonicalize_license_expression(expression))
    except InvalidLicenseExpression:
        raise MalformedPackage(
            f"{expression[:60]!a} is no expression of SPDX licence identifiers",
            hint="Examples: Apache-2.0, MIT OR CC0-1.0; another one: LicenseRef-its-name.",
        ) from None
    if usual != expression:
        raise MalformedPackage(
            f"the licence {expression[:60]!a} is not in its usual spelling", hint=f"Use: {usual}"
        )
