"""AI-OCR: paper forms, read by DX Suite or AIRead. See `dx_suite`, `airead` and `ocr_fields`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from hub.adapters.airead import AiReadFormat, AiReadSource
from hub.adapters.contract import AdapterSettings, Features, Site, Source, Transport
from hub.adapters.dx_suite import DxSuiteSettings, DxSuiteSource, OcrSettings
from hub.adapters.file_settings import inbox


class AiOcrSettings(OcrSettings):
    """Settings of an `ai_ocr` source."""

    path: str = Field(
        min_length=1,
        description="`airead`: the CSV files; `dx-suite`: the scans to be sent up. A pattern, as of any files.",
    )
    service: Literal["airead", "dx-suite"] = Field(description="Who reads.")
    dx_suite: DxSuiteSettings | None = Field(default=None, description="How `dx-suite` is reached.")
    document: Literal["page", "file", "group"] = Field(
        default="page", description="`airead`: what one document is: a page, the whole file, or a group (`GID`)."
    )

    @model_validator(mode="after")
    def _whole(self) -> AiOcrSettings:
        if (self.service == "dx-suite") != (self.dx_suite is not None):
            raise ValueError("`service: dx-suite` needs `dx_suite:`, and nothing else does")
        if self.service == "dx-suite" and (self.trigger or self.settle):
            raise ValueError("`trigger` and `settle` are for AIRead's files; a scan gets its name when it is whole")
        return self


class AiOcr(Transport):
    """Paper forms as an AI-OCR has read them: sure fields go on, unsure ones wait for a person.

    A row is a document: `document`, `fields` (a list of `name`, `value`, `confidence`), `items` (value by name),
    `unsure` (names). Error rows: `unsure` (with `unsure: quarantine`), which a person mends and sends on; `ocr-failed`;
    of a file as a whole `airead` and those of `csv`.
    """

    name: ClassVar[str] = "ai_ocr"
    title: ClassVar[dict[str, str]] = {"ja": "AI-OCR", "en": "AI-OCR"}
    features: ClassVar[Features] = Features(source=True, typed=True)
    SourceSettings: ClassVar[type[AdapterSettings]] = AiOcrSettings

    @classmethod
    def source(cls, settings: AiOcrSettings, site: Site) -> Source:
        """Open the source; no file is touched and no connection made yet."""
        if settings.dx_suite is not None:
            return DxSuiteSource(settings, settings.dx_suite, inbox(settings, site), site.folder)
        format_ = AiReadFormat(settings, settings.encoding, settings.document)
        return AiReadSource(inbox(settings, site), format_, settings.care())
