"""HTTP of what is configured: `/grievance/v1/categories`, for the forms in which people complain."""

from __future__ import annotations

from pydantic import BaseModel, Field

from services.grievance.cases.states import SubjectType
from services.grievance.permissions import ConfigurationRead
from services.grievance.resources import DeskDep
from shared.http import Router

router = Router(prefix="/grievance/v1/categories", tags=["cases"])


class CategoryShown(BaseModel):
    """What can be complained about."""

    code: str
    name_km: str
    name_en: str
    route: str
    deadline_working_days: int
    priority: str
    subjects: list[SubjectType]
    starts_at: str = Field(description="The level at which such a case begins.")
    sealed: bool = Field(description="Seen by sealed case officers only, from its first moment.")


class LevelShown(BaseModel):
    """A level of the ladder, lowest first."""

    code: str
    name_km: str
    name_en: str
    working_days: int


class InstitutionShown(BaseModel):
    """To whom a case can be referred."""

    code: str
    name_km: str
    name_en: str


class ConfigurationShown(BaseModel):
    """The configuration that this process runs with; it is changed in files (docs/grievance.md)."""

    categories: list[CategoryShown]
    levels: list[LevelShown]
    institutions: list[InstitutionShown]
    zone: str = Field(description="Time zone in which days begin and end.")
    holidays_confirmed: bool = Field(description="False: deadlines are provisional.")


@router.get("")
async def get_categories(desk: DeskDep, _principal: ConfigurationRead) -> ConfigurationShown:
    """Categories, levels and institutions, in both languages."""
    configured = desk.categories
    categories = [
        CategoryShown(
            code=code,
            starts_at=configured.start_level(category),
            **category.model_dump(exclude={"starts_at", "subjects"}),
            subjects=sorted(category.subjects),
        )
        for code, category in configured.categories.items()
    ]
    return ConfigurationShown(
        categories=categories,
        levels=[LevelShown(**level.model_dump()) for level in configured.levels],
        institutions=[InstitutionShown(code=code, **one.model_dump()) for code, one in configured.institutions.items()],
        zone=desk.calendar.zone.key,
        holidays_confirmed=desk.calendar.confirmed,
    )
